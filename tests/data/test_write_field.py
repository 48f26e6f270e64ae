from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from sdpa_exp.config.schema import SyntheticDataset
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.errors import DatasetError

SETTINGS = SyntheticDataset(name="t", num_train_images=6, num_val_images=3, image_px=96)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def prepared(cache: Path) -> PreparedDataset:
    return prepare(SETTINGS, cache_dir=cache)


def _times(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix != ".lock"}


def test_counts_and_files_agree(prepared: PreparedDataset) -> None:
    root = prepared.yaml_path.parent
    for split, images, boxes in (
        ("train", prepared.num_train_images, prepared.num_train_boxes),
        ("val", prepared.num_val_images, prepared.num_val_boxes),
    ):
        assert len(list((root / "images" / split).glob("*.jpg"))) == images
        labels = [p.read_text() for p in (root / "labels" / split).glob("*.txt")]
        assert sum(len(text.splitlines()) for text in labels) == boxes > 0
    picture = cv2.imread(str(next((root / "images" / "val").iterdir())))
    assert picture is not None
    assert picture.shape == (96, 96, 3)


def test_a_second_call_writes_nothing(cache: Path, prepared: PreparedDataset) -> None:
    before = _times(cache)
    assert prepare(SETTINGS, cache_dir=cache) == prepared
    assert _times(cache) == before


def test_another_cache_gives_the_same_digest(tmp_path: Path, prepared: PreparedDataset) -> None:
    other = prepare(SETTINGS, cache_dir=tmp_path)
    assert other.digest == prepared.digest
    assert other.yaml_path != prepared.yaml_path


@pytest.mark.parametrize("change", [{"render_seed": 1}, {"image_px": 128}, {"num_train_images": 5}])
def test_other_settings_live_in_another_folder(
    tmp_path: Path, prepared: PreparedDataset, change: dict[str, Any]
) -> None:
    other = prepare(replace(SETTINGS, **change), cache_dir=tmp_path)
    assert other.digest != prepared.digest
    assert other.yaml_path.parent.name != prepared.yaml_path.parent.name


@pytest.mark.parametrize("damage", ["image changed", "label gone", "surplus image", "manifest gone", "yaml emptied"])
def test_a_damaged_cache_is_repaired(tmp_path: Path, prepared: PreparedDataset, damage: str) -> None:
    root = prepare(SETTINGS, cache_dir=tmp_path).yaml_path.parent
    image = root / "images" / "train" / "field_00002.jpg"
    label = root / "labels" / "val" / "field_00001.txt"
    if damage == "image changed":
        image.write_bytes(image.read_bytes()[:-7])
    elif damage == "label gone":
        label.unlink()
    elif damage == "surplus image":
        image.with_name("mine.jpg").write_bytes(image.read_bytes())
    elif damage == "manifest gone":
        (root / "manifest.json").unlink()
    else:
        (root / "data.yaml").write_text("")
    again = prepare(SETTINGS, cache_dir=tmp_path)
    assert again.digest == prepared.digest
    assert not image.with_name("mine.jpg").exists()
    assert {p.name for p in label.parent.iterdir()} == {f"field_0000{i}.txt" for i in range(3)}
    assert again.num_val_boxes == prepared.num_val_boxes


def test_what_ultralytics_adds_is_no_damage(cache: Path, prepared: PreparedDataset) -> None:
    root = prepared.yaml_path.parent
    (root / "labels" / "train.cache").write_bytes(b"cache")
    (root / "images" / "train" / "field_00000.npy").write_bytes(b"pixels")
    prepare(SETTINGS, cache_dir=cache)
    assert (root / "labels" / "train.cache").exists()


def test_two_processes_may_ask_for_the_first_time_at_once(tmp_path: Path, prepared: PreparedDataset) -> None:
    code = (
        "from sdpa_exp.config.schema import SyntheticDataset as S; from sdpa_exp.data.prepare import prepare;"
        "print(prepare(S(name='t', num_train_images=6, num_val_images=3, image_px=96)).digest)"
    )
    environment = {**os.environ, "SDPA_EXP_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in both] == [prepared.digest] * 2
    folders = [p.name for p in (tmp_path / "synthetic").iterdir() if p.is_dir()]
    assert folders == [prepared.yaml_path.parent.name]  # no half-built folder is left


def test_a_failed_rendering_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sdpa_exp.data.synthetic_field.write_field.write_data_yaml", fail)
    with pytest.raises(KeyboardInterrupt):
        prepare(SETTINGS, cache_dir=tmp_path)
    assert [p for p in (tmp_path / "synthetic").iterdir() if p.is_dir()] == []


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"cache can't be written: .* set SDPA_EXP_CACHE to one that you may write"):
        prepare(SETTINGS, cache_dir=tmp_path / "file")


@pytest.mark.parametrize(
    ("change", "wording"),
    [
        ({"num_val_images": 0}, "dataset.num_val_images=0 leaves nothing to work with: expected 1 or more"),
        ({"image_px": 8}, "dataset.image_px=8 can't be rendered: expected 64 to 2048"),
        ({"render_seed": -1}, "dataset.render_seed=-1 is no seed: expected 0 or more"),
    ],
)
def test_senseless_settings_are_refused(tmp_path: Path, change: dict[str, Any], wording: str) -> None:
    with pytest.raises(DatasetError) as caught:
        prepare(replace(SETTINGS, **change), cache_dir=tmp_path)
    assert wording in str(caught.value)
    assert list(tmp_path.iterdir()) == []
