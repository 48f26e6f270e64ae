"""dataset.fraction and dataset.limit use the same images everywhere, and are part of the group and of the digest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sdpa_exp.config.schema import AnnotatedDataset, SyntheticDataset, YoloDirDataset
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.purposes import PURPOSES
from tests.config.composing import compose_plan
from tests.data.annotated import make_blood_cells, write_image
from tests.data.small_field import make_field

LARGE = 40


def used(prepared: PreparedDataset, split: str = "train") -> set[str]:
    return {path.stem[7:] for path in (prepared.yaml_path.parent / "images" / split).iterdir()}


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return make_field(tmp_path / "large", num_train=LARGE, num_val=8).parent


def load(path: Path, cache: Path, fraction: float | None = None, limit: int | None = None) -> PreparedDataset:
    return prepare(YoloDirDataset(name="t", path=str(path), fraction=fraction, limit=limit), cache_dir=cache)


def test_a_fraction_is_of_train_alone_and_part_of_a_larger_one(large: Path, cache: Path) -> None:
    quarter, half = load(large, cache, 0.25), load(large, cache, 0.5)
    assert (quarter.num_train_images, quarter.num_val_images) == (10, 8)
    assert (quarter.num_train_boxes, half.num_train_images) == (10, 20)
    assert used(quarter) < used(half)
    assert used(quarter) != {f"p{number}" for number in range(10)}
    assert quarter.warnings == (
        "dataset.fraction=0.25: 10 of 40 train images, 8 of 8 val images are used, the same in every run.",
    )
    assert len({quarter.digest, half.digest, load(large, cache).digest}) == 3


def test_a_limit_is_of_each_split_and_the_same_wherever_the_data_set_lies(
    large: Path, cache: Path, tmp_path: Path
) -> None:
    few = load(large, cache, limit=5)
    assert (few.num_train_images, few.num_val_images) == (5, 5)
    assert load(large, cache, 0.5, 5).digest == few.digest
    moved = load(Path(shutil.copytree(large, tmp_path / "moved")), tmp_path / "other_cache", limit=5)
    assert (moved.digest, used(moved)) == (few.digest, used(few))
    assert load(large, cache, limit=1000).digest == load(large, cache).digest


def test_the_rendered_field_is_rendered_in_part(cache: Path) -> None:
    whole = SyntheticDataset(name="t", num_train_images=6, num_val_images=3, image_px=96)
    part = SyntheticDataset(name="t", num_train_images=6, num_val_images=3, image_px=96, fraction=0.5, limit=2)
    small = SyntheticDataset(name="t", num_train_images=2, num_val_images=2, image_px=96)
    assert prepare(part, cache_dir=cache) == prepare(small, cache_dir=cache)
    assert prepare(part, cache_dir=cache).digest != prepare(whole, cache_dir=cache).digest


def test_annotations_of_other_formats_are_used_in_part(tmp_path: Path, cache: Path) -> None:
    root = make_blood_cells(tmp_path / "BCCD")
    prepared = prepare(AnnotatedDataset(kind="voc_xml", name="t", path=str(root), limit=1), cache_dir=cache)
    assert (prepared.num_train_images, prepared.num_val_images) == (1, 1)
    assert {each.image for each in prepared.left_out} <= {f"JPEGImages/{name}.jpg" for name in used(prepared)}


def test_each_class_keeps_its_share_of_whole_images(tmp_path: Path, cache: Path) -> None:
    for split, count in (("train", 6), ("val", 2)):
        for number in range(count):
            for name in ("crop", "weed"):
                write_image(
                    tmp_path / f"classes/{split}/{name}/{name}{number}.jpg", sum(map(ord, f"{split}{name}{number}"))
                )
    dataset = YoloDirDataset(name="t", path=str(tmp_path / "classes"), limit=4)
    prepared = prepare(dataset, purpose=PURPOSES["classify"], cache_dir=cache)
    assert (prepared.num_train_images, prepared.num_val_images) == (4, 4)
    assert [len(list((prepared.yaml_path / "train" / name).iterdir())) for name in ("crop", "weed")] == [2, 2]
    assert "dataset.limit=4: 4 of 12 train images, 4 of 4 val images are used" in prepared.warnings[0]


def test_runs_with_another_share_of_the_data_are_of_another_group() -> None:
    plans = [compose_plan(*settings) for settings in ([], ["dataset.fraction=0.5"], ["dataset.limit=50"])]
    assert len({plan.group_id() for plan in plans}) == 3


def test_where_a_data_set_is_fetched_from_keeps_no_runs_apart() -> None:
    here, there = compose_plan("dataset=coco8"), compose_plan("dataset=coco8", "dataset.mirror='http://a.org/b'")
    assert here.group_id() == there.group_id()
    assert not {"fraction", "limit", "mirror"} & set(
        here.group()["dataset"]
    )  # groups of older versions keep their names


@pytest.mark.parametrize("layout", ["data.yaml", "images", "flat"])
def test_a_folder_without_val_gets_one_of_train_by_seed_when_asked(layout: str, tmp_path: Path, cache: Path) -> None:
    root = make_field(tmp_path / "large", num_train=LARGE, num_val=1).parent
    if layout == "data.yaml":
        (root / "data.yaml").write_text("train: images/train\nnames: [crop, weed]\n")
    else:
        whole = tmp_path / layout
        for kind in ("images", "labels"):
            target = whole / kind if layout == "images" else whole
            shutil.copytree(root / kind / "train", target, dirs_exist_ok=True)
        root = whole

    def made(share: float | None, seed: int = 0) -> PreparedDataset:
        dataset = YoloDirDataset(name="t", path=str(root), val_share=share, split_seed=seed)
        return prepare(dataset, cache_dir=cache)

    with pytest.raises(DatasetError, match="expected"):
        made(None)
    prepared = made(0.2)
    assert (prepared.num_train_images, prepared.num_val_images, prepared.num_val_boxes) == (32, 8, 8)
    assert not used(prepared) & used(prepared, "val")
    assert prepared.warnings == (
        "32 train and 8 val images were made of one set by dataset.split_seed=0 and dataset.val_share=0.2.",
    )
    assert used(made(0.2, seed=1), "val") != used(prepared, "val")
    assert made(0.2) == prepared
