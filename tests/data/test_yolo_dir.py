from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sdpa_exp.config.schema import YoloDirDataset
from sdpa_exp.data.cache import CACHE_VARIABLE
from sdpa_exp.data.prepare import prepare, prepare_ahead
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.purposes import DETECT
from tests.data.small_field import YAML, make_field


def load(path: Path | str | None, cache: Path) -> PreparedDataset:
    return prepare(YoloDirDataset(name="t", path=None if path is None else str(path)), cache_dir=cache)


def refusal(path: Path | str | None, cache: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        load(path, cache)
    return str(caught.value)


def _fingerprint(root: Path) -> dict[str, tuple[str, int]]:
    files = [p for p in sorted(root.rglob("*")) if p.is_file()]
    return {str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in files}


def test_a_sound_data_set_is_counted_and_has_no_warnings(field: Path, cache: Path) -> None:
    prepared = load(field / "data.yaml", cache)
    assert (prepared.num_train_images, prepared.num_val_images) == (3, 2)
    assert (prepared.num_train_boxes, prepared.num_val_boxes) == (3, 2)
    assert prepared.class_names == ("crop", "weed")
    assert prepared.warnings == ()


def test_what_was_prepared_ahead_is_handed_over_once(field: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))
    dataset = YoloDirDataset(name="t", path=str(field))
    prepare_ahead(dataset, split=None, purpose=DETECT)
    (field / "labels" / "val" / "p0.txt").unlink()
    first, second = prepare(dataset), prepare(dataset)
    assert (first.num_val_boxes, second.num_val_boxes) == (2, 1)


def test_the_folder_means_its_data_yaml(field: Path, cache: Path) -> None:
    assert load(field, cache).digest == load(field / "data.yaml", cache).digest


def test_a_folder_without_a_yaml_gets_numbered_names(field: Path, cache: Path) -> None:
    (field / "data.yaml").unlink()
    assert load(field, cache).class_names == ("class_0", "class_1")


def test_roboflows_layout_is_found(field: Path, cache: Path, tmp_path: Path) -> None:
    root = tmp_path / "robo"
    for split, name in (("train", "train"), ("val", "valid")):
        for kind in ("images", "labels"):
            shutil.copytree(field / kind / split, root / name / kind)
    assert load(root, cache).num_val_boxes == 2
    (root / "data.yaml").write_text("train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['crop', 'weed']\n")
    assert load(root, cache).class_names == ("crop", "weed")


def test_lists_of_folders_and_txt_lists_are_read(field: Path, cache: Path) -> None:
    (field / "more").mkdir()
    (field / "list.txt").write_text("./images/val/p0.jpg\nimages/val/p1.jpg\n\n")
    (field / "data.yaml").write_text(
        "path: .\ntrain: [images/train, more/images]\nval: list.txt\nnames: [crop, weed]\n"
    )
    for kind in ("images", "labels"):
        shutil.copytree(field / kind / "train", field / "more" / kind)
    prepared = load(field, cache)
    assert (prepared.num_train_images, prepared.num_val_images, prepared.num_train_boxes) == (6, 2, 6)


def test_polygons_and_byte_order_marks_are_accepted(field: Path, cache: Path) -> None:
    (field / "labels/train/p0.txt").write_text("\ufeff1 0.1 0.1 0.4 0.1 0.3 0.5\n", encoding="utf-8")
    assert load(field, cache).num_train_boxes == 3


def _write(path: str, text: str) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        (root / path).write_text(text)

    return harm


def _truncate(root: Path) -> None:
    content = (root / "images/val/p1.jpg").read_bytes()
    (root / "images/val/p1.jpg").write_bytes(content[: len(content) // 2])


def _empty_folder(root: Path) -> None:
    for image in (root / "images/train").iterdir():
        image.unlink()


def _no_labels(root: Path) -> None:
    shutil.rmtree(root / "labels/train")


FAULTS: list[tuple[str, Callable[[Path], None], str]] = [
    ("missing folder", _write("data.yaml", YAML.replace("images/val", "images/test")), "says val: images/test, and"),
    ("missing root", _write("data.yaml", "path: gone\n" + YAML), "says path: gone, and there is no folder"),
    ("no train line", _write("data.yaml", YAML.replace("train:", "tr:")), "has no 'train:' line: expected a folder"),
    (
        "no names",
        _write("data.yaml", "train: images/train\nval: images/val\n"),
        "has no class names: expected 'names:'",
    ),
    ("nc differs", _write("data.yaml", YAML + "nc: 3\n"), "says nc: 3 but names 2 classes"),
    ("gap in names", _write("data.yaml", YAML.replace("1:", "2:")), "numbers its names 0, 2: expected 0, 1, 2 without"),
    ("channels", _write("data.yaml", YAML + "channels: 4\n"), "says channels: 4: expected pictures with 3 channels"),
    ("broken yaml", _write("data.yaml", "train: [images"), "can't be read as YAML"),
    ("yaml is text", _write("data.yaml", "hello"), "holds no keys: expected at least train, val and names"),
    ("no images", _empty_folder, "No train images in"),
    ("no labels", _no_labels, "has train images but no labels for them: expected files like"),
    ("class id", _write("labels/val/p0.txt", "2 0.5 0.5 0.1 0.1\n"), "p0.txt line 1 has class id 2: expected 0 to 1"),
    ("negative id", _write("labels/val/p0.txt", "-1 0.5 0.5 0.1 0.1\n"), "line 1 has class id -1: expected 0 to 1"),
    ("half id", _write("labels/val/p0.txt", "0.5 0.5 0.5 0.1 0.1\n"), "has class id 0.5: expected a whole number"),
    ("nan id", _write("labels/val/p0.txt", "nan 0.5 0.5 0.1 0.1\n"), "has class id nan: expected a whole number"),
    (
        "malformed",
        _write("labels/train/p1.txt", "0 0.5 0.5 0.1 0.1\n0 0.5 0.5\n"),
        "p1.txt line 2 is malformed: '0 0.5 0.5': expected 'class x y width height', or a class and a polygon",
    ),
    ("word", _write("labels/train/p1.txt", "weed 0.5 0.5 0.1 0.1\n"), "line 1 is malformed: 'weed 0.5 0.5 0.1 0.1'"),
    (
        "pixels",
        _write("labels/train/p1.txt", "0 320 0.5 0.1 0.1\n"),
        "has the coordinate 320: expected 0 to 1, fractions of the picture and not pixels",
    ),
    ("not a number", _write("labels/train/p1.txt", "0 nan 0.5 0.1 0.1\n"), "has the coordinate nan: expected 0 to 1"),
    ("flat box", _write("labels/train/p1.txt", "0 0.5 0.5 0 0.1\n"), "has a box of width 0 and height 0.1"),
    (
        "mixed",
        _write("labels/train/p1.txt", "0 0.5 0.5 0.1 0.1\n0 0.1 0.1 0.2 0.1 0.2 0.3\n"),
        "p1.txt mixes boxes and polygons",
    ),
    ("truncated", _truncate, "p1.jpg is damaged: image file is truncated"),
    ("not an image", _write("images/val/p1.jpg", "hello"), "p1.jpg is no image that can be read"),
    (
        "gif",
        lambda root: Image.new("P", (64, 64)).save(root / "images/val/p1.jpg", "GIF"),
        "p1.jpg is no image that can",
    ),
    ("empty image", _write("images/val/p1.jpg", ""), "p1.jpg is empty"),
    ("tiny", lambda root: Image.new("RGB", (4, 4)).save(root / "images/val/p1.jpg"), "p1.jpg is 4 x 4 px: expected 10"),
    ("listed", _write("data.yaml", YAML.replace("images/val", "l.txt")), "says val: l.txt, and"),
]


@pytest.mark.parametrize(("harm", "wording"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_fault_is_refused_by_name(field: Path, cache: Path, harm: Callable[[Path], None], wording: str) -> None:
    load(field, cache)  # what was good before must not be trusted now
    harm(field)
    message = refusal(field, cache)
    assert wording in message
    assert str(field) in message


@pytest.mark.parametrize("kind", ["png", "bmp", "tif", "webp"])
def test_other_kinds_of_images_are_read(field: Path, cache: Path, kind: str) -> None:
    Image.open(field / "images/val/p1.jpg").save(field / f"images/val/p1.{kind}")
    (field / "images/val/p1.jpg").unlink()
    assert load(field, cache).num_val_boxes == 2


def test_a_listed_image_that_does_not_exist_is_named(field: Path, cache: Path) -> None:
    (field / "l.txt").write_text("./images/val/p0.jpg\n./images/val/gone.jpg\n")
    (field / "data.yaml").write_text(YAML.replace("images/val", "l.txt"))
    assert "gone.jpg does not exist" in refusal(field, cache)


def test_no_path_and_a_wrong_path_say_what_to_set(field: Path, cache: Path) -> None:
    assert refusal(None, cache).startswith("dataset.path is not set: set it to a data.yaml")
    wrong = refusal(field / "nothing", cache)
    assert "does not exist (looked at" in wrong
    assert "dataset=yolo_dir expects a data.yaml, or a folder with images/ and labels/, or a zip file of it." in wrong
    assert "is no data set: expected a data.yaml" in refusal(field / "images/train/p0.jpg", cache)


def test_many_faults_are_counted_and_the_first_ten_named(tmp_path: Path, cache: Path) -> None:
    root = make_field(tmp_path / "field", num_train=14).parent
    for label in (root / "labels/train").iterdir():
        label.write_text("9 0.5 0.5 0.1 0.1\n")
    message = refusal(root, cache)
    assert "has 14 bad files of 32" in message
    assert message.count("has class id 9") == 10
    assert message.endswith("and 4 more")


def test_oddities_are_warnings(field: Path, cache: Path) -> None:
    shutil.copy(field / "images/train/p0.jpg", field / "images/val/p0.jpg")
    (field / "labels/train/p1.txt").unlink()
    (field / "labels/train/p2.txt").write_text("0 0.5 0.5 0.1 0.1\n" * 3)
    image = field / "images/train/p2.jpg"
    image.write_bytes(image.read_bytes() + b"camera notes")
    assert load(field, cache).warnings == (
        "1 of 3 train images have no label file: they count as empty pictures.",
        "1 of 2 val images are also in train, byte for byte (images/val/p0.jpg): the metrics are too good by "
        "that; task=data shows them and mends a copy.",
        "2 boxes occur twice in the same picture: Ultralytics uses each once.",
        "1 JPEGs have no end mark as their last bytes: they are used with one, unchanged else.",
    )


def test_the_digest_follows_content_and_not_place_or_time(field: Path, cache: Path, tmp_path: Path) -> None:
    first = load(field, cache).digest
    shutil.copytree(field, tmp_path / "elsewhere")
    for path in (tmp_path / "elsewhere").rglob("*"):
        os.utime(path, (1, 1))
    assert load(tmp_path / "elsewhere", tmp_path / "other cache").digest == first
    (field / "labels/val/p0.txt").write_text("1 0.5 0.5 0.2 0.3\n")
    assert load(field, cache).digest != first


def test_an_unchanged_data_set_is_not_decoded_again(field: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(field, cache)
    monkeypatch.setattr("sdpa_exp.data.seen_images.check_image", lambda path: pytest.fail(f"{path} was opened again"))
    assert load(field, cache) == first


def test_a_view_that_was_changed_is_built_again(field: Path, cache: Path) -> None:
    first = load(field, cache)
    view = first.yaml_path.parent
    (view / "labels/train/000000_p0.txt").write_text("0 0.5 0.5 0.9 0.9\n")
    (view / "images/val/000001_p1.jpg").unlink()
    again = load(field, cache)
    assert again == first
    assert (view / "labels/train/000000_p0.txt").read_text() == "0 0.5 0.5 0.2 0.3\n"
    assert (view / "images/val/000001_p1.jpg").exists()


def test_odd_paths_and_names_are_kept(tmp_path: Path) -> None:
    root = make_field(tmp_path / "ein Feld mit Rüben # und, einem sehr langen Namen: 2026").parent
    (root / "images/train/p0.jpg").rename(root / "images/train/Rübe 1.v2.jpg")
    (root / "labels/train/p0.txt").rename(root / "labels/train/Rübe 1.v2.txt")
    cache = tmp_path / "ein Ort, an dem " / ("sehr lange Namen " * 8).strip()
    first = load(root, cache)
    before = _fingerprint(cache)
    assert load(root, cache) == first
    assert _fingerprint(cache) == before
    assert first.num_train_boxes == 3


def test_equal_file_names_in_two_folders_stay_apart(field: Path, cache: Path) -> None:
    for kind in ("images", "labels"):
        shutil.copytree(field / kind / "val", field / kind / "train" / "deeper")
    prepared = load(field, cache)
    assert prepared.num_train_boxes == 5
    assert len(list((prepared.yaml_path.parent / "labels/train").iterdir())) == 5


def test_preparing_writes_nothing_into_the_users_folder(field: Path, cache: Path) -> None:
    before = _fingerprint(field)
    load(field, cache)
    assert _fingerprint(field) == before
