"""Stores that fail while a run goes on: nothing is lost, and one sentence is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import local_store, tracking_server


@pytest.mark.slow  # a whole run for each
def test_a_server_that_fails_in_any_way_gets_everything_once_in_the_end(tmp_path: Path) -> None:
    for row in tracking_server.cause(tmp_path, list(tracking_server.FAULTS)):
        assert row.is_as_expected, row
        assert row.records_lost == 0


@pytest.mark.slow  # a whole run for each
def test_a_local_store_that_fails_in_any_way_gets_everything_once_in_the_end(tmp_path: Path) -> None:
    for row in local_store.cause(tmp_path, list(local_store.FAULTS)):
        assert row.is_as_expected, row
        assert row.records_lost == 0
