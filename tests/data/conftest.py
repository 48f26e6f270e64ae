"""A small labelled field in a folder, and a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.small_field import make_field


@pytest.fixture
def field(tmp_path: Path) -> Path:
    return make_field(tmp_path / "field").parent


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
