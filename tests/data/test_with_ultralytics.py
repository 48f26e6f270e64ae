"""What we prepare is what Ultralytics reads: its own loader over our views."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from sdpa_exp.config.schema import SyntheticDataset, YoloDirDataset
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.prepared_dataset import PreparedDataset
from tests.data.small_field import make_field

SHARED = Path(os.environ.get("SDPA_EXP_SHARED", str(Path(__file__).parents[3] / "shared"))) / "data"


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads a split as training does, from a strange working directory."""
    monkeypatch.setenv("YOLO_CONFIG_DIR", os.environ.get("YOLO_CONFIG_DIR", str(tmp_path / "yolo")))
    (tmp_path / "strange").mkdir()
    monkeypatch.chdir(tmp_path / "strange")
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    def read_split(prepared: PreparedDataset, split: str) -> Any:
        data = check_det_dataset(str(prepared.yaml_path), autodownload=False)
        return YOLODataset(img_path=data[split], data=data, augment=False, imgsz=64, cache=False)

    return read_split


def _fingerprint(root: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}


def _check(read: Any, prepared: PreparedDataset) -> None:
    for split, images, boxes in (
        ("train", prepared.num_train_images, prepared.num_train_boxes),
        ("val", prepared.num_val_images, prepared.num_val_boxes),
    ):
        dataset = read(prepared, split)
        assert len(dataset.labels) == images
        assert sum(len(label["cls"]) for label in dataset.labels) == boxes
        assert dataset[0]["img"].shape[0] == 3
    assert tuple(dataset.data["names"].values()) == prepared.class_names


def test_the_synthetic_field_is_read_in_full(read: Any, tmp_path: Path) -> None:
    settings = SyntheticDataset(name="t", num_train_images=4, num_val_images=2, image_px=96)
    _check(read, prepare(settings, cache_dir=tmp_path / "cache"))


def test_a_users_folder_is_read_in_full_and_stays_as_it_is(read: Any, tmp_path: Path) -> None:
    root = make_field(tmp_path / "mein images Feld").parent
    image = root / "images/train/p2.jpg"
    image.write_bytes(image.read_bytes() + b"notes")  # Ultralytics would write this file anew, in place
    before = _fingerprint(root)
    prepared = prepare(YoloDirDataset(name="t", path=str(root)), cache_dir=tmp_path / "cache")
    _check(read, prepared)
    assert (prepared.yaml_path.parent / "labels/train.cache").exists()
    assert _fingerprint(root) == before
    assert prepare(YoloDirDataset(name="t", path=str(root)), cache_dir=tmp_path / "cache") == prepared


def test_words_and_links_reach_ultralytics_as_they_were_meant(read: Any, tmp_path: Path) -> None:
    root = make_field(tmp_path / "field").parent
    names = ["yes", "010", "null", "1e3", "n01440764", "2024-01-02"]
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: [{', '.join(names)}]\n")
    pool = make_field(tmp_path / "pool", num_train=4).parent
    (root / "images/train/more").symlink_to(pool / "images/train")
    prepared = prepare(YoloDirDataset(name="t", path=str(root)), cache_dir=tmp_path / "cache")
    assert (prepared.class_names, prepared.num_train_boxes) == (tuple(names), 7)
    _check(read, prepared)


@pytest.mark.parametrize("name", ["pear640/data_mini.yaml", "sesame_weeds/data_mini.yaml"])
def test_real_data_is_read_in_full(read: Any, tmp_path: Path, name: str) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not there; set SDPA_EXP_SHARED to the folder that holds data/")
    prepared = prepare(YoloDirDataset(name="t", path=str(SHARED / name)), cache_dir=tmp_path / "cache")
    assert prepared.num_train_images > 20
    _check(read, prepared)
