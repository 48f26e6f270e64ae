"""COCO's and Pascal VOC's annotations become the labels that one would write by hand, and what is wrong is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sdpa_exp.config.schema import AnnotatedDataset
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.purposes import PURPOSES
from tests.data.annotated import make_blood_cells, make_plants, write_coco, write_image, write_xml


def load(kind: str, path: Path, cache: Path, **settings: object) -> PreparedDataset:
    setting = {"val_share": 0.2, **settings}
    return prepare(AnnotatedDataset(kind=kind, name="t", path=str(path), **setting), cache_dir=cache)  # type: ignore[arg-type]


def refusal(kind: str, path: Path, cache: Path, **settings: object) -> str:
    with pytest.raises(DatasetError) as caught:
        load(kind, path, cache, **settings)
    return str(caught.value)


def labels(prepared: PreparedDataset) -> dict[str, str]:
    """split/name -> lines, out of the folder that Ultralytics reads."""
    files = sorted((prepared.yaml_path.parent / "labels").rglob("*.txt"))
    return {f"{file.parent.name}/{file.stem[7:]}": file.read_text() for file in files}


def images(prepared: PreparedDataset) -> dict[str, set[bytes]]:
    folder = prepared.yaml_path.parent / "images"
    return {split: {file.read_bytes() for file in (folder / split).iterdir()} for split in ("train", "val")}


def test_blood_cells_with_two_boxes_of_zero_size_are_used_and_the_two_are_counted(tmp_path: Path, cache: Path) -> None:
    root = make_blood_cells(tmp_path / "BCCD")
    prepared = load("voc_xml", root, cache)
    assert prepared.class_names == ("Platelets", "RBC", "WBC")
    assert (prepared.num_train_images, prepared.num_val_images) == (4, 2)
    assert (prepared.num_train_boxes, prepared.num_val_boxes) == (8, 4)
    assert [sentence for sentence in prepared.warnings if "boxes" in sentence] == [
        "2 of 14 boxes have no width or height, and were left out for all arms alike (JPEGImages/Blood_1.jpg); "
        "left_out.csv in each run folder lists all."
    ]
    assert [(each.image, each.what, each.why) for each in prepared.left_out] == 2 * [
        ("JPEGImages/Blood_1.jpg", "box", "no width or height")
    ]
    # (11 + 31) / 2 - 1 = 20 of 64 and of 48 px, 20 px wide: Ultralytics' formula for VOC, which counts from 1
    assert labels(prepared)["train/Blood_0"] == (
        "1 0.31250000 0.41666667 0.31250000 0.41666667\n2 0.75000000 0.62500000 0.50000000 0.75000000\n"
    )
    write_xml(root / "Annotations/Blood_1.xml", [("RBC", (11, 11, 31, 31)), ("WBC", (33, 13, 65, 49))])
    assert load("voc_xml", root, cache).digest != prepared.digest


def test_voc_files_in_folders_of_splits_need_no_lists(tmp_path: Path, cache: Path) -> None:
    for split, count in (("train", 3), ("valid", 1), ("test", 1)):
        for i in range(count):
            write_image(tmp_path / f"robo/{split}/{split}{i}.jpg", sum(map(ord, split)) + i)
            write_xml(tmp_path / f"robo/{split}/{split}{i}.xml", [("cell", (1, 1, 20, 20))], size=(0, 0))
    prepared = load("voc_xml", tmp_path / "robo", cache)
    assert (prepared.num_train_images, prepared.num_val_images) == (3, 1)
    dataset = AnnotatedDataset(kind="voc_xml", name="t", path=str(tmp_path / "robo"))
    assert prepare(dataset, split="test", cache_dir=cache).num_val_images == 1


def test_lists_and_folders_of_the_setting_go_before_what_is_found(tmp_path: Path, cache: Path) -> None:
    root = make_blood_cells(tmp_path / "BCCD")
    (root / "few.txt").write_text("Blood_0\nJPEGImages/Blood_1.jpg 1\n")
    prepared = load("voc_xml", root, cache, train="few.txt", val="ImageSets/Main/val.txt")
    assert (prepared.num_train_images, prepared.num_val_images) == (2, 2)
    assert "2 annotations are in no list of a split, not used." in prepared.warnings
    assert "Blood_4 is in train and in val: expected it in one" in refusal(
        "voc_xml", root, cache, train="ImageSets/Main/trainval.txt", val="ImageSets/Main/val.txt"
    )
    (root / "few.txt").write_text("Blood_0\nBlood_77\n")
    assert "few.txt names 1 of 2 images that have no XML, such as Blood_77" in refusal(
        "voc_xml", root, cache, train="few.txt", val="ImageSets/Main/val.txt"
    )


def test_roboflows_coco_files_are_read_with_their_classes_and_without_the_parent(tmp_path: Path, cache: Path) -> None:
    prepared = load("coco_json", make_plants(tmp_path / "plants"), cache)
    assert prepared.class_names == ("crop", "weed")
    assert (prepared.num_train_images, prepared.num_val_images) == (4, 2)
    assert prepared.warnings == ()
    # middle (8 + 16 / 2, 6 + 12 / 2) px of 64 x 48
    assert labels(prepared)["train/train_0"] == "1 0.25000000 0.25000000 0.25000000 0.25000000\n"
    assert labels(prepared)["train/train_1"].startswith("0 0.25")


def test_the_layout_of_coco_itself_is_found(tmp_path: Path, cache: Path) -> None:
    for split in ("train2017", "val2017"):
        for i in range(2):
            write_image(tmp_path / f"coco/images/{split}/{i:012d}.jpg", sum(map(ord, split)) + i)
        write_coco(tmp_path / f"coco/annotations/instances_{split}.json", [f"{i:012d}.jpg" for i in range(2)])
        (tmp_path / f"coco/annotations/captions_{split}.json").write_text("{}")
    prepared = load("coco_json", tmp_path / "coco", cache)
    assert (prepared.num_train_images, prepared.num_val_images) == (2, 2)
    assert prepared.warnings == ()


def test_a_single_set_is_shared_out_by_seed_and_content_alone(tmp_path: Path, cache: Path) -> None:
    def make(root: Path, names: list[str]) -> Path:
        for i, name in enumerate(names):
            write_image(root / "images" / name, i // 2)  # each twice
        write_coco(root / "annotations.json", names)
        return root

    first = make(tmp_path / "a", [f"{i:02d}.jpg" for i in range(20)])
    second = make(tmp_path / "b", [f"other{i:02d}.jpg" for i in range(20)])
    prepared, again = load("coco_json", first, cache), load("coco_json", second, cache)
    assert (prepared.num_train_images, prepared.num_val_images) == (16, 4)
    assert images(prepared) == images(again)
    assert not images(prepared)["train"] & images(prepared)["val"]
    assert any("dataset.split_seed=0 and dataset.val_share=0.2" in sentence for sentence in prepared.warnings)
    assert images(load("coco_json", first, cache, split_seed=1)) != images(prepared)
    assert load("coco_json", first, cache, val_share=0.5).num_val_images == 10
    assert "names no images for val: set dataset.val_share=0.2" in refusal("coco_json", first, cache, val_share=None)
    assert load("coco_json", first / "annotations.json", cache).digest == prepared.digest


def test_crowds_and_boxes_outside_are_skipped_and_boxes_at_the_edge_are_cut(tmp_path: Path, cache: Path) -> None:
    root = make_plants(tmp_path / "plants")
    file = root / "train/_annotations.coco.json"
    content = json.loads(file.read_text())
    boxes = ([8, 6, 16, 12], [50, 30, 40, 40], [70, 6, 4, 4], [0, 0, 64, 48])
    content["annotations"] = [
        {"id": i, "image_id": i, "category_id": 7, "bbox": box, "iscrowd": int(i == 3)} for i, box in enumerate(boxes)
    ]
    file.write_text(json.dumps(content))
    prepared = load("coco_json", root, cache)
    assert prepared.num_train_boxes == 2
    assert labels(prepared)["train/train_1"] == "1 0.89062500 0.81250000 0.21875000 0.37500000\n"
    text = "\n".join(prepared.warnings)
    assert (
        "1 of 6 boxes has no part inside its picture, and was left out for all arms alike (train/train_2.jpg)" in text
    )
    assert "1 of 6 boxes has the mark iscrowd, around several objects, and was left out" in text
    assert "Boxes that reach beyond their picture, cut at its edge: 1." in text


def _edit(name: str, **changes: object) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        file = root / "train/_annotations.coco.json"
        content = json.loads(file.read_text())
        content[name][0] |= changes
        file.write_text(json.dumps(content))

    return harm


HARMS: dict[str, Callable[[Path], None]] = {
    "is 64 x 48 px, and its annotation says 640 x 480: its boxes are of another image": _edit(
        "images", width=640, height=480
    ),
    "gone.jpg does not exist": _edit("images", file_name="gone.jpg"),
    "has annotation 0 of category_id 99, which no category has": _edit("annotations", category_id=99),
    "has annotation 0 with bbox [1, 2]: expected [x, y, width, height] in pixels": _edit("annotations", bbox=[1, 2]),
    "has a box from 8, 6 to 4, 18: its end is before its start": _edit("annotations", bbox=[8, 6, -4, 12]),
}


@pytest.mark.parametrize("sentence", HARMS)
def test_what_does_not_belong_together_is_refused_by_name_or_left_out(
    sentence: str, tmp_path: Path, cache: Path
) -> None:
    root = make_plants(tmp_path / "plants")
    HARMS[sentence](root)
    said = refusal("coco_json", root, cache)
    assert sentence in said
    assert "1 bad image of" in said
    assert "set dataset.on_bad=drop" in said
    dropped = load("coco_json", root, cache, on_bad="drop")
    assert dropped.num_train_images == 3
    assert len(dropped.left_out) == 1


def test_broken_xml_is_named_and_can_be_left_out(tmp_path: Path, cache: Path) -> None:
    root = make_blood_cells(tmp_path / "BCCD")
    (root / "Annotations/Blood_0.xml").write_text("<annotation><object>")
    (root / "Annotations/Blood_2.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>')
    (root / "JPEGImages/Blood_3.jpg").unlink()
    said = refusal("voc_xml", root, cache)
    assert "has 3 bad images" in said
    assert "Annotations/Blood_0.xml can't be read: no element found" in said
    assert "Annotations/Blood_2.xml can't be read: it defines entities" in said
    assert "Annotations/Blood_3.xml names an image that does not exist" in said
    assert load("voc_xml", root, cache, on_bad="drop").num_train_images == 1


def _two_for_train(root: Path) -> None:
    for number in (1, 2):
        write_coco(root / f"train{number}.json", ["a.jpg"])


@pytest.mark.parametrize(
    ("kind", "harm", "sentence"),
    [
        ("voc_xml", shutil.rmtree, "dataset=voc_xml expects a folder with images and Pascal VOC's XML files"),
        ("voc_xml", lambda root: shutil.rmtree(root / "Annotations"), "names 4 of 4 images that have no XML"),
        ("coco_json", Path.is_dir, "holds no COCO annotations: expected a .json with lists of images"),
        ("coco_json", lambda root: (root / "a.json").write_text("{"), "a.json can't be read as JSON"),
        (
            "coco_json",
            _two_for_train,
            "several annotation files for train: train1.json, train2.json. Name one for each",
        ),
    ],
)
def test_a_folder_without_usable_annotations_is_refused(
    kind: str, harm: Callable[[Path], object], sentence: str, tmp_path: Path, cache: Path
) -> None:
    root = make_blood_cells(tmp_path / "BCCD")
    harm(root)
    assert sentence in refusal(kind, root, cache)


def test_a_turned_photograph_is_measured_as_ultralytics_reads_it(tmp_path: Path, cache: Path) -> None:
    root = make_plants(tmp_path / "plants")
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(root / "train/train_0.jpg") as image:
        image.save(root / "train/train_0.jpg", exif=exif)
    assert "is 48 x 64 px, and its annotation says 64 x 48" in refusal("coco_json", root, cache)


def test_boxes_are_refused_for_masks(tmp_path: Path, cache: Path) -> None:
    dataset = AnnotatedDataset(kind="coco_json", name="t", path=str(make_plants(tmp_path / "plants")))
    with pytest.raises(DatasetError, match="dataset=coco_json has boxes, and the model is for masks"):
        prepare(dataset, purpose=PURPOSES["segment"], cache_dir=cache)


def test_a_conversion_is_made_once_and_again_when_an_annotation_changes(tmp_path: Path, cache: Path) -> None:
    root = make_plants(tmp_path / "plants")
    digest = load("coco_json", root, cache).digest
    assert load("coco_json", root, cache).digest == digest
    assert len(list((cache / "converted").iterdir())) == 1
    _edit("annotations", bbox=[8, 6, 20, 12])(root)
    assert load("coco_json", root, cache).digest != digest
    next((cache / "converted").iterdir()).write_text("cut of")
    assert load("coco_json", root, cache).num_train_images == 4
