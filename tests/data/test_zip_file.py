"""A zip file is a data set like its folder, unpacked once; one that could write elsewhere leaves nothing behind."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from tests.data import test_annotations
from tests.data.annotated import make_blood_cells, make_plants
from tests.data.test_yolo_dir import load, refusal


def zipped(folder: Path, target: Path, inner: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, Path(inner) / file.relative_to(folder))
    return target


@pytest.mark.parametrize("inner", ["", "weeds-main/weeds"])
def test_a_zip_file_is_the_data_set_in_it(inner: str, field: Path, cache: Path, tmp_path: Path) -> None:
    prepared = load(zipped(field, tmp_path / "field.zip", inner), cache)
    assert prepared.digest == load(field, cache).digest
    assert len([path for path in (cache / "unzipped").iterdir() if path.is_dir()]) == 1


def test_annotations_of_other_formats_come_out_of_zip_files(tmp_path: Path, cache: Path) -> None:
    for kind, folder in (("coco_json", make_plants(tmp_path / "a")), ("voc_xml", make_blood_cells(tmp_path / "b"))):
        prepared = test_annotations.load(kind, zipped(folder, tmp_path / f"{kind}.zip", "x"), cache)
        assert prepared.digest == test_annotations.load(kind, folder, cache).digest


def test_a_zip_file_is_unpacked_once_by_content_and_again_when_that_is_damaged(
    field: Path, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    first = load(zipped(field, tmp_path / "field.zip"), cache)
    shutil.copy(tmp_path / "field.zip", tmp_path / "copy.zip")
    assert load(tmp_path / "copy.zip", cache) == first
    assert caplog.text.count("unpacking") == 1
    assert "field.zip: 11 files, 0.0 MiB" in caplog.text
    next((cache / "unzipped").glob("*/images/train/p0.jpg")).unlink()
    assert load(tmp_path / "field.zip", cache).digest == first.digest
    assert caplog.text.count("unpacking") == 2


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt", "C:/evil.txt", "..\\evil.txt"])
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str, field: Path, cache: Path, tmp_path: Path) -> None:
    path = zipped(field, tmp_path / "field.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    assert "which leads out of its folder: nothing of it was unpacked" in refusal(path, cache)
    assert not list(tmp_path.rglob("evil*"))
    assert not list((cache / "unzipped").glob("*/"))


def test_links_passwords_and_damaged_files_are_refused(field: Path, cache: Path, tmp_path: Path) -> None:
    path = zipped(field, tmp_path / "field.zip")
    content = path.read_bytes()
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("images/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "field.zip holds the link images/link: expected files only" in refusal(path, cache)
    path.write_bytes(content[: len(content) // 2])
    assert "field.zip can't be unpacked: File is not a zip file. Expected a whole zip file: fetch it again." in refusal(
        path, cache
    )
    broken = bytearray(content)
    broken[content.index(b"\xff\xd8") + 300] ^= 0xFF  # inside of an image
    path.write_bytes(bytes(broken))
    assert "can't be unpacked: " in refusal(path, cache)
    assert not list((cache / "unzipped").glob("*/"))


def test_a_zip_file_that_does_not_fit_is_refused_with_its_size(
    field: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=2**20)
    monkeypatch.setattr("sdpa_exp.data.zip_file.shutil.disk_usage", lambda _: usage)
    path = zipped(field, tmp_path / "field.zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(2**22))
    said = refusal(path, cache)
    assert "field.zip holds 4.0 MiB in 12 files" in said
    assert "has 1.0 MiB free: set SDPA_EXP_CACHE to a folder with more room" in said
