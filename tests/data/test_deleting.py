"""What we delete is ours: a link in the cache, or one in its place, leads to nothing that is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdpa_exp.data.build_once import build_once
from sdpa_exp.errors import DatasetError


def test_a_damaged_folder_of_the_cache_is_deleted_without_what_its_links_lead_to(tmp_path: Path) -> None:
    mine, folder = tmp_path / "mine", tmp_path / "cache" / "set"
    mine.mkdir()
    (mine / "photo.jpg").write_text("mine")
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(mine)
    build_once(folder, build=lambda draft: None, fault_of=lambda found: "it is damaged")
    assert list(folder.iterdir()) == []
    folder.rmdir()
    folder.symlink_to(mine)
    with pytest.raises(DatasetError, match="symbolic link"):
        build_once(folder, build=lambda draft: None, fault_of=lambda found: "it is damaged")
    assert (mine / "photo.jpg").read_text() == "mine"
