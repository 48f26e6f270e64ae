"""What Ultralytics would leave out or misread without a word is named before training, links and words included."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdpa_exp.config.schema import SyntheticDataset, YoloDirDataset
from sdpa_exp.data.prepare import prepare
from sdpa_exp.errors import DatasetError
from tests.data.small_field import YAML, make_field
from tests.data.test_yolo_dir import load, refusal


def test_an_image_above_pillows_limit_is_named_with_limit_and_remedy(field: Path, cache: Path) -> None:
    Image.new("1", (14000, 14000)).save(field / "images/train/p0.png")
    (field / "images/train/p0.jpg").unlink()
    message = refusal(field, cache)
    assert "p0.png is 14000 x 14000 px, 196 megapixels: Pillow refuses more than 179. Scale it down or cut" in message


def test_an_image_at_pillows_limit_is_read(field: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 // 2)  # the limit is twice that
    assert load(field, cache).num_train_images == 3
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 // 2 - 1)
    assert "megapixels: Pillow refuses" in refusal(field, cache.with_name("other"))


def test_a_float_tiff_that_opencv_cannot_read_is_named(field: Path, cache: Path) -> None:
    Image.fromarray(np.random.default_rng(0).random((32, 32), dtype=np.float32)).save(field / "images/val/p1.tif")
    (field / "images/val/p1.jpg").unlink()
    assert "p1.tif is a TIFF that OpenCV can't read: save it as PNG, 8 bits a channel" in refusal(field, cache)


def test_a_linked_folder_and_its_linked_labels_are_used(field: Path, cache: Path, tmp_path: Path) -> None:
    pool = make_field(tmp_path / "pool", num_train=4).parent
    for kind in ("images", "labels"):
        (field / kind / "train/siteA").symlink_to(pool / kind / "train")
    prepared = load(field, cache)
    assert (prepared.num_train_images, prepared.num_train_boxes) == (7, 7)


def test_a_linked_split_is_used_with_the_labels_beside_the_link(field: Path, cache: Path, tmp_path: Path) -> None:
    expected = load(field, cache)
    shutil.move(field / "images/train", tmp_path / "pictures")
    (field / "images/train").symlink_to(tmp_path / "pictures")
    prepared = load(field, cache)
    assert (prepared.digest, prepared.num_train_boxes, prepared.warnings) == (expected.digest, 3, ())


def test_labels_where_a_link_leads_are_used_and_mentioned(field: Path, cache: Path, tmp_path: Path) -> None:
    pool = make_field(tmp_path / "pool", num_train=4).parent
    for kind in ("images", "labels"):
        shutil.rmtree(field / kind / "train")
    (field / "images/train").symlink_to(pool / "images/train")
    prepared = load(field, cache)
    assert prepared.num_train_boxes == 4
    (warning,) = (w for w in prepared.warnings if "links" in w)
    assert warning.startswith("Labels in train found where links lead, since none lies beside the links: 4 (")


def test_two_labels_that_differ_are_refused(field: Path, cache: Path, tmp_path: Path) -> None:
    pool = make_field(tmp_path / "pool").parent
    (field / "images/train/p0.jpg").unlink()
    (field / "images/train/p0.jpg").symlink_to(pool / "images/train/p0.jpg")
    assert load(field, cache).num_train_boxes == 3
    (pool / "labels/train/p0.txt").write_text("1 0.5 0.5 0.2 0.3\n")
    assert "p0.jpg is a link and has two labels that differ" in refusal(field, cache)


@pytest.mark.parametrize(
    ("name", "target", "wording"),
    [
        ("images/train/siteB", "gone", "siteB is a link to gone, which does not exist. Mend or remove it."),
        ("images/train/loop", "..", "loop is a link to a folder that it is in: it has no end. Remove it."),
        ("images/train/x.jpg", "gone.jpg", "x.jpg does not exist"),
    ],
)
def test_a_link_that_leads_nowhere_is_refused(field: Path, cache: Path, name: str, target: str, wording: str) -> None:
    (field / name).symlink_to(target)
    assert wording in refusal(field, cache)


TYPED = ["yes", "no", "on", "Off", "null", "~x", "01", "010", "1e3", "2024-01-02", "0x1F", "1_000", "12:30", "=", ".5"]


@pytest.mark.parametrize("layout", ["list", "mapping", "flow"])
def test_words_that_yaml_takes_for_values_stay_as_typed(field: Path, cache: Path, layout: str) -> None:
    names = {
        "list": "names:\n" + "".join(f"- {name}\n" for name in TYPED),
        "mapping": "names:\n" + "".join(f"  {i}: {name}\n" for i, name in enumerate(TYPED)),
        "flow": f"names: [{', '.join(TYPED)}]\n",
    }[layout]
    (field / "data.yaml").write_text(f"train: images/train\nval: images/val\nnc: {len(TYPED)}\n{names}")
    assert load(field, cache).class_names == tuple(TYPED)


@pytest.mark.parametrize(
    ("names", "wording"),
    [
        ("names: {0: crop, 0: weed}", "has the key 0 twice"),
        ("names: [crop, '']", "the name of class 1 is empty: expected a word. Put it in quotes."),
        ("names: [crop, a: b]", "the name of class 1 is {'a': 'b'}: expected a word. Put it in quotes."),
        ("names: [a, b]\nnc: many", "says nc: many: expected a whole number"),
        ("names: [a, b]\nkpt_shape: 17", "says kpt_shape: 17: expected two whole numbers, such as [17, 3]"),
    ],
)
def test_names_that_are_no_names_are_refused(field: Path, cache: Path, names: str, wording: str) -> None:
    (field / "data.yaml").write_text(f"train: images/train\nval: images/val\n{names}\n")
    assert wording in refusal(field, cache)


def test_anchors_and_merges_of_yaml_still_work(field: Path, cache: Path) -> None:
    (field / "data.yaml").write_text("x: &x\n  val: images/val\n  names: [crop, no]\n<<: *x\ntrain: images/train\n")
    assert load(field, cache).class_names == ("crop", "no")


def _more(root: Path, name: str) -> Path:
    return Path(shutil.copy(root / "images/train/p0.jpg", root / name))


def _repeat(root: Path) -> None:
    (root / "l.txt").write_text("images/train/p0.jpg\n" * 2 + "images/train/p1.jpg\n# images/train/p2\n")
    (root / "data.yaml").write_text(YAML.replace("images/train", "l.txt"))


def _poses(root: Path) -> None:
    (root / "data.yaml").write_text(YAML + "kpt_shape: [2, 3]\n")
    for label in (root / "labels").rglob("*.txt"):
        label.write_text(label.read_text().strip() + " 0.1 0.1 2 0.2 0.2 2\n")


def _deep(root: Path) -> None:
    (root / "images/train/p0.jpg").unlink()
    Image.fromarray(np.full((32, 32), 4000, dtype=np.uint16)).save(root / "images/train/p0.png")


ODDITIES: list[tuple[str, Callable[[Path], object], str]] = [
    ("gif", lambda r: _more(r, "images/train/new.gif"), "left out of train (convert them to PNG): 1 ("),
    ("jfif", lambda r: _more(r, "images/val/new.jfif"), "left out of val (convert them to PNG): 1 ("),
    ("lonely", lambda r: (r / "labels/val/p9.txt").write_text(""), "Labels in val without an image of that name, l"),
    (
        "case",
        lambda r: (r / "labels/val/p0.txt").rename(r / "labels/val/p0.TXT"),
        "Labels in val without an image of that name, l",
    ),
    (
        "one name",
        lambda r: _more(r, "images/train/p0.png"),
        "that share a label, since their names differ in the suffix alone: 2 (",
    ),
    ("repeated", _repeat, "Images in train that are listed more than once, and used as often: 1 ("),
    ("list line", _repeat, "left out of train (convert them to PNG): 1 ('# images/train/p2' in"),
    ("poses", _poses, "The labels are of poses (kpt_shape): their boxes are used, and their keypoints left out."),
    ("deep", _deep, "1 images have more than 8 bits a channel (images/train/p0.png): Ultralytics keeps the upper 8"),
    (
        "names",
        lambda r: (r / "data.yaml").write_text(YAML.replace("weed", "crop")),
        "Several classes are called crop: tables can't tell them apart.",
    ),
]


@pytest.mark.parametrize(("change", "wording"), [o[1:] for o in ODDITIES], ids=[o[0] for o in ODDITIES])
def test_what_is_left_out_is_named(field: Path, cache: Path, change: Callable[[Path], object], wording: str) -> None:
    change(field)
    assert any(wording in warning for warning in load(field, cache).warnings)


def test_a_list_that_repeats_an_image_trains_on_it_as_often(field: Path, cache: Path) -> None:
    _repeat(field)
    prepared = load(field, cache)
    assert (prepared.num_train_images, prepared.num_train_boxes) == (3, 3)


def test_poses_are_read_as_their_boxes(field: Path, cache: Path) -> None:
    _poses(field)
    view = load(field, cache).yaml_path.parent
    assert (view / "labels/train/000000_p0.txt").read_text() == "0 0.5 0.5 0.2 0.3\n"


def test_labels_beside_images_are_refused_where_they_would_not_be_read(field: Path, cache: Path) -> None:
    for label in (field / "labels/train").iterdir():
        label.rename(field / "images/train" / label.name)
    message = refusal(field, cache)
    assert "has 3 images with a label beside them, such as" in message
    assert f"Move them to {field / 'labels/train'}." in message


def test_a_folder_that_cannot_be_read_is_named(field: Path, cache: Path) -> None:
    closed = field / "images/train/closed"
    closed.mkdir(mode=0)
    if os.access(closed, os.R_OK):
        pytest.skip("this user may read everything")
    assert f"{closed} can't be read" in refusal(field, cache)


def test_a_test_split_is_shown_when_it_is_asked_for(field: Path, cache: Path) -> None:
    shutil.copytree(field / "images/val", field / "images/test")
    shutil.copytree(field / "labels/val", field / "labels/test")
    (field / "data.yaml").write_text(YAML + "test: images/test\n")
    without = load(field, cache)
    prepared = prepare(YoloDirDataset(name="t", path=str(field)), split="test", cache_dir=cache)
    assert len(list((prepared.yaml_path.parent / "images/test").iterdir())) == 2
    assert prepared.digest != without.digest
    assert any(w.startswith("train.split=test: Ultralytics chooses best.pt") for w in prepared.warnings)
    assert "\ntest:" not in without.yaml_path.read_text()


def test_a_test_split_that_is_not_there_is_refused_by_name(field: Path, cache: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no 'test:' line: .* and train.split=test asks for it"):
        prepare(YoloDirDataset(name="t", path=str(field)), split="test", cache_dir=cache)
    synthetic = SyntheticDataset(name="s", num_train_images=1, num_val_images=1, image_px=64)
    with pytest.raises(DatasetError, match=r"train.split=test asks for a test split, and dataset=synthetic has"):
        prepare(synthetic, split="test", cache_dir=cache)
