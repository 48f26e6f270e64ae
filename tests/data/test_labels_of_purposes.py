"""Labels for masks, poses, rotated boxes and classes: rendered ones that Ultralytics reads, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdpa_exp.config.schema import SyntheticDataset, YoloDirDataset
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.synthetic_field.write_field import scene_of
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.purposes import PURPOSES
from tests.data.small_field import YAML, make_field

FIELD = SyntheticDataset(name="t", num_train_images=4, num_val_images=2, image_px=96)
POSE_YAML = YAML + "kpt_shape: [2, 3]\n"


def read(data_yaml: Path, purpose: str) -> Any:
    """The train split as Ultralytics reads it for a purpose."""
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(data_yaml), autodownload=False)
    return YOLODataset(img_path=data["train"], data=data, task=purpose, augment=False, imgsz=96, cache=False)


@pytest.mark.parametrize("purpose", ["segment", "pose", "obb"])
def test_ultralytics_reads_every_rendered_label(purpose: str, tmp_path: Path) -> None:
    prepared = prepare(FIELD, purpose=PURPOSES[purpose], cache_dir=tmp_path)
    dataset = read(prepared.yaml_path, purpose)
    assert sum(len(label["cls"]) for label in dataset.labels) == prepared.num_train_boxes > 4
    sample = dataset[0]
    wanted = {"segment": ("masks", (1, 24, 24)), "pose": ("keypoints", (-1, 2, 3)), "obb": ("bboxes", (-1, 5))}
    key, shape = wanted[purpose]
    assert all(b in (a, -1) for a, b in zip(sample[key].shape, shape, strict=True))
    assert prepare(FIELD, purpose=PURPOSES[purpose], cache_dir=tmp_path) == prepared


def test_the_boxes_of_other_labels_are_those_of_the_field(tmp_path: Path) -> None:
    boxes = {
        name: read(prepare(FIELD, purpose=PURPOSES[name], cache_dir=tmp_path).yaml_path, name).labels
        for name in ("detect", "segment", "pose")
    }
    for detect, pose in zip(boxes["detect"], boxes["pose"], strict=True):
        assert abs(detect["bboxes"] - pose["bboxes"]).max() < 1e-6
        points = pose["keypoints"][..., :2]
        assert ((points >= 0) & (points <= 1)).all()
    areas = [label["bboxes"][:, 2:].prod(1).sum() for label in boxes["segment"]]  # its largest visible part
    whole = [label["bboxes"][:, 2:].prod(1).sum() for label in boxes["detect"]]
    assert all(0.4 < part / all_of_it <= 1.001 for part, all_of_it in zip(areas, whole, strict=True))


def test_each_cut_out_shows_a_plant_of_its_class_and_the_classes_come_in_turn(tmp_path: Path) -> None:
    field = dataclasses.replace(FIELD, num_train_images=6, image_px=192)
    prepared = prepare(field, purpose=PURPOSES["classify"], cache_dir=tmp_path)
    files = sorted(prepared.yaml_path.glob("train/*/*.jpg"))
    assert len(files) == prepared.num_train_images > 4
    assert len({file.parent.name for file in files}) >= 3
    for file in files:
        scene = scene_of(field, "train", int(file.stem[-5:]))
        assert file.parent.name in {scene.places[box.place].species.name for box in scene.boxes}
    files[0].write_bytes(b"")
    assert prepare(field, purpose=PURPOSES["classify"], cache_dir=tmp_path) == prepared
    assert files[0].read_bytes()


@pytest.mark.parametrize(
    ("purpose", "yaml", "label", "words"),
    [
        ("segment", YAML, "0 0.5 0.5 0.2 0.3", "expected a class and a polygon of three points or more, for masks"),
        ("obb", YAML, "0 0.5 0.5 0.2 0.3", "expected a class and the four corners of a rotated box"),
        ("pose", YAML, "0 0.5 0.5 0.2 0.3", "has no 'kpt_shape:' line, and the model is for poses"),
        ("pose", POSE_YAML, "0 0.5 0.5 0.2 0.3", "and 2 keypoints of 3 numbers (11 in all), for poses"),
        (
            "pose",
            POSE_YAML,
            "0 .5 .5 .2 .3 .5 .5 2 .6 .6 7",
            "has a keypoint of visibility 7: expected 0 (not lab",
        ),
        ("pose", POSE_YAML, "0 .5 .5 .2 .3 .5 .5 2 .6 60 2", "has the coordinate 60: expected 0 to 1"),
    ],
)
def test_labels_of_another_purpose_are_refused_by_line(
    purpose: str, yaml: str, label: str, words: str, field: Path, cache: Path
) -> None:
    (field / "data.yaml").write_text(yaml)
    for file in (field / "labels").rglob("*.txt"):
        file.write_text(label + "\n")
    with pytest.raises(DatasetError) as caught:
        prepare(YoloDirDataset(name="t", path=str(field)), purpose=PURPOSES[purpose], cache_dir=cache)
    assert words in str(caught.value)


def test_own_labels_of_poses_and_of_rotated_boxes_are_read(tmp_path: Path, cache: Path) -> None:
    for purpose, yaml, label in (
        ("pose", POSE_YAML + "flip_idx: [1, 0]\n", "0 .5 .5 .2 .3 .5 .5 2 .6 .6 0"),
        ("obb", YAML, "1 .2 .2 .6 .3 .5 .7 .1 .6"),
    ):
        root = make_field(tmp_path / purpose).parent
        (root / "data.yaml").write_text(yaml)
        for file in (root / "labels").rglob("*.txt"):
            file.write_text(label + "\n")
        prepared = prepare(YoloDirDataset(name="t", path=str(root)), purpose=PURPOSES[purpose], cache_dir=cache)
        dataset = read(prepared.yaml_path, purpose)
        assert sum(len(each["cls"]) for each in dataset.labels) == prepared.num_train_boxes == 3
        assert dataset.data.get("flip_idx") == ([1, 0] if purpose == "pose" else None)
        assert prepared.keypoints == ((2, 3) if purpose == "pose" else None)


def make_classes(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (len(name) * 9, 80, hash(name) % 200)).save(root / name)
    return root


CLASSES = ("train/a/1.png", "train/a/2.png", "train/b/1.png", "val/a/9.png", "val/b/9.png")


def test_folders_of_classes_are_checked_linked_and_left_as_they_are(tmp_path: Path, cache: Path) -> None:
    root = make_classes(tmp_path / "own", *CLASSES)
    before = sorted(path.relative_to(root) for path in root.rglob("*"))
    dataset = YoloDirDataset(name="t", path=str(root))
    prepared = prepare(dataset, purpose=PURPOSES["classify"], cache_dir=cache)
    assert (prepared.class_names, prepared.num_train_images, prepared.num_val_images) == (("a", "b"), 3, 2)
    assert (prepared.yaml_path / "train/a/1.png").samefile(root / "train/a/1.png")
    assert prepare(dataset, purpose=PURPOSES["classify"], cache_dir=cache) == prepared
    assert sorted(path.relative_to(root) for path in root.rglob("*")) == before
    (root / "train/a/1.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match="has 1 bad images of 5; Ultralytics would leave them out in silence"):
        prepare(dataset, purpose=PURPOSES["classify"], cache_dir=cache)
    dropped = prepare(dataclasses.replace(dataset, on_bad="drop"), purpose=PURPOSES["classify"], cache_dir=cache)
    assert ([each.image for each in dropped.left_out], dropped.num_train_images) == (["a/1.png"], 2)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (CLASSES[:3], "has no folder val, and the model names the class of a whole image"),
        ((*CLASSES, "val/c/1.png"), "has the class c in val and not in train"),
        (("train/a/1.png", "val/a/2.png"), "has one class, a: expected two or more"),
        (("train/1.png", "val/a/2.png"), "holds no images in folders of classes"),
    ],
)
def test_folders_that_are_no_classes_are_refused(
    names: tuple[str, ...], words: str, tmp_path: Path, cache: Path
) -> None:
    root = make_classes(tmp_path / "own", *names)
    with pytest.raises(DatasetError) as caught:
        prepare(YoloDirDataset(name="t", path=str(root)), purpose=PURPOSES["classify"], cache_dir=cache)
    assert words in str(caught.value)
