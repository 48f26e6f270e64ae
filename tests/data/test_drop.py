"""dataset.on_bad=drop: bad lines and images are left out, counted, listed, and part of the digest."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sdpa_exp.config.schema import YoloDirDataset
from sdpa_exp.data.bad_files import write_left_out
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.errors import DatasetError
from tests.data.test_yolo_dir import load, refusal


def drop(path: Path, cache: Path) -> PreparedDataset:
    return prepare(YoloDirDataset(name="t", path=str(path), on_bad="drop"), cache_dir=cache)


def spoil(field: Path) -> None:
    (field / "labels/train/p0.txt").write_text("0 0.5 0.5 0 0\n0 0.4 0.4 0.1 0.1\n9 0.5 0.5 0.1 0.1\n")
    (field / "labels/train/p1.txt").write_text("1 0.5 0.5 0.1 0\n")
    (field / "images/val/p1.jpg").write_text("hello")


def test_bad_lines_and_images_are_left_out_and_all_of_them_are_listed(field: Path, cache: Path, tmp_path: Path) -> None:
    spoil(field)
    assert "has 3 bad files of 10" in (sentence := refusal(field, cache))
    assert (
        "or set dataset.on_bad=drop, which leaves bad lines and images out for all arms and lists them; task=data"
        in sentence
    )
    prepared = drop(field, cache)
    assert (prepared.num_train_images, prepared.num_val_images, prepared.num_train_boxes) == (2, 1, 2)
    view = prepared.yaml_path.parent
    assert (view / "labels/train/000000_p0.txt").read_text() == "0 0.4 0.4 0.1 0.1\n"
    assert sorted(path.name for path in (view / "images/train").iterdir()) == ["000000_p0.jpg", "000002_p2.jpg"]
    assert prepared.warnings == (
        "dataset.on_bad=drop left out 2 train lines, 1 train image, 1 val image, for all arms alike (images/train/"
        "p0.jpg line 1 has a box of width 0 and height 0: expected more than 0, ...); left_out.csv in each run folder "
        "lists all.",
    )
    write_left_out(prepared.left_out, tmp_path)
    rows = list(csv.DictReader((tmp_path / "left_out.csv").open()))
    assert [(row["split"], Path(row["image"]).name, row["what"]) for row in rows] == [
        ("train", "p0.jpg", "line"),
        ("train", "p0.jpg", "line"),
        ("train", "p1.jpg", "image"),
        ("val", "p1.jpg", "image"),
    ]
    assert rows[2]["why"].startswith("has a label that can't be used: line 1 has a box of width 0.1 and height 0")


def test_what_was_left_out_is_part_of_the_digest_and_nothing_changes_without_it(field: Path, cache: Path) -> None:
    whole = load(field, cache)
    assert (drop(field, cache).digest, drop(field, cache).left_out) == (whole.digest, ())
    label = (field / "labels/train/p0.txt").read_text()
    digests = {whole.digest}
    for bad in ("0 0.5 0.5 0 0\n", "0 0.5 0.5 0 0.1\n"):
        (field / "labels/train/p0.txt").write_text(label + bad)
        digests.add(drop(field, cache).digest)
    assert len(digests) == 3


def test_a_split_of_which_nothing_is_left_is_refused(field: Path, cache: Path) -> None:
    for image in (field / "images/val").iterdir():
        image.write_text("hello")
    with pytest.raises(DatasetError, match=r"has 2 val images, and dataset\.on_bad=drop leaves out all of them"):
        drop(field, cache)


def test_an_image_in_val_and_test_alike_is_named(field: Path, cache: Path) -> None:
    (field / "data.yaml").write_text((field / "data.yaml").read_text() + "test: images/val\n")
    prepared = prepare(YoloDirDataset(name="t", path=str(field)), split="test", cache_dir=cache)
    assert any("2 of 2 test images are also in val, byte for byte" in warning for warning in prepared.warnings)
