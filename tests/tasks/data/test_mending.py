"""data.fix_to: a copy that is sound, every change listed, and the data set itself as it was."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image

from sdpa_exp.config.schema import YoloDirDataset
from sdpa_exp.data.dataset_digest import bytes_digest
from sdpa_exp.data.label_file import label_rule
from sdpa_exp.data.prepare import prepare
from sdpa_exp.runs.purposes import PURPOSES
from sdpa_exp.tasks.data.mend import mend_label
from tests.tasks.data.planted import look, make_sound, named, plant


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDPA_EXP_CACHE", str(tmp_path / "cache"))


def state(folder: Path) -> dict[str, str]:
    """Every file with the digest of its bytes."""
    return {str(p.relative_to(folder)): bytes_digest(p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def test_the_copy_is_sound_lists_every_change_and_leaves_the_data_set_as_it_was(tmp_path: Path) -> None:
    root, copy = make_sound(tmp_path / "field"), tmp_path / "new" / "mended"
    plant(root)
    before = state(root)
    done = look(tmp_path, *named(root), f"data.fix_to={copy}")
    assert state(root) == before
    assert done.error is None  # it judges the copy
    assert "the mended copy has no error" in done.content["headline"]
    prepared = prepare(YoloDirDataset(name="copy", path=str(copy)))  # which refuses what is bad
    assert not prepared.left_out
    assert (prepared.num_train_images, prepared.num_val_images) == (22, 10)
    with (copy / "fixes.csv").open(encoding="utf-8") as file:
        fixes = {(row["file"], row["how"]) for row in csv.DictReader(file)}
    assert fixes == {
        ("images/train/p00.jpg", next(how for name, how in fixes if name.endswith("p00.jpg") and "damaged" in how)),
        ("images/val/p00.jpg", "is no image that can be read: expected JPEG, PNG, BMP, TIFF, WebP, JPEG 2000 or AVIF"),
        ("images/train/p01.jpg", "line 1 left out: it has a box of width 0 and height 0.5: expected more than 0"),
        ("images/train/p02.jpg", "line 1 left out: it has class id 7: expected 0 to 1"),
        ("images/train/p03.jpg", "has a label without a line that can be used"),
        ("images/train/p04.jpg", "line 1 clipped at the edge of the image"),
        ("images/train/p05.jpg", "line 1 clipped at the edge of the image"),
        ("images/train/p06.jpg", "line 3 left out: it is line 1 again"),
        ("images/val/p01.jpg", "it is images/train/p07.jpg"),
    }
    assert (done.folder / "fixes.csv").read_bytes() == (copy / "fixes.csv").read_bytes()
    assert (copy / "labels/train/p04.txt").read_text().startswith("0 0.96 0.5 0.08 0.5\n")
    kept = state(copy)
    same = {name for name in before if name.rpartition("/p")[2][:2] in ("12", "13", "20")}
    assert len(same) == 6
    assert all(kept[name] == before[name] for name in same)


def test_the_copy_can_be_moved(tmp_path: Path) -> None:
    root, copy = make_sound(tmp_path / "field", 4, 2), tmp_path / "mended"
    assert (
        "Nothing had to be mended" in look(tmp_path, *named(root), f"data.fix_to={copy}").content["mended"]["sentence"]
    )
    copy.rename(tmp_path / "elsewhere")
    assert prepare(YoloDirDataset(name="copy", path=str(tmp_path / "elsewhere"))).num_train_images == 4


def test_nothing_is_written_where_nothing_would_be_left_of_a_split(tmp_path: Path) -> None:
    root = make_sound(tmp_path / "field", 4, 1)
    (root / "images/val/p00.jpg").write_bytes((root / "images/train/p00.jpg").read_bytes())
    done = look(tmp_path, *named(root), f"data.fix_to={tmp_path / 'mended'}")
    assert "data.fix_to would leave nothing of val" in str(done.error)
    assert not (tmp_path / "mended").exists()


def test_a_copy_among_the_images_of_the_data_set_is_refused(tmp_path: Path) -> None:
    root = make_sound(tmp_path / "field", 2, 1)
    inside = root / "images/train/mended"
    done = look(tmp_path, *named(root / "data.yaml"), f"data.fix_to={inside}")
    assert "holds images of the data set: expected a folder outside of it" in str(done.error)
    assert not inside.exists()
    assert look(tmp_path, *named(root / "data.yaml"), f"data.fix_to={tmp_path / 'mended'}").error is None


def test_folders_of_classes_are_mended_without_their_bad_and_leaked_images(tmp_path: Path) -> None:
    root, copy = tmp_path / "plants", tmp_path / "mended"
    for number, name in enumerate(["train/crop", "train/weed", "val/crop", "val/weed"]):
        (root / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (32, 32), (20 * number, 40 * i, 90)).save(
                root / name / f"00012{i}_a.png"
            )  # as numbered as our views
    (root / "train/weed/000120_a.png").write_bytes(b"no image")
    (root / "val/crop/000121_a.png").write_bytes((root / "train/crop/000121_a.png").read_bytes())
    done = look(tmp_path, "model=yolo12n-cls", *named(root), f"data.fix_to={copy}")
    assert done.error is None
    assert {each["code"] for each in done.content["findings"] if each["severity"] == "error"} == {"bad_images", "leaks"}
    assert not (copy / "train/weed/000120_a.png").exists()
    assert not (copy / "val/crop/000121_a.png").exists()
    assert prepare(YoloDirDataset(name="c", path=str(copy)), purpose=PURPOSES["classify"]).num_val_images == 5


def test_poses_are_not_mended_by_a_model_for_boxes_which_would_lose_them(tmp_path: Path) -> None:
    root = make_sound(tmp_path / "field", 2, 2)
    with (root / "data.yaml").open("a") as file:
        file.write("kpt_shape: [1, 3]\n")
    for label in root.rglob("*.txt"):
        label.write_text("0 0.5 0.5 0.5 0.5 0.6 0.5 2\n0 0.5 0.5 0.5 0.5 1.2 0.5 2\n")
    copy = tmp_path / "mended"
    done = look(tmp_path, *named(root), f"data.fix_to={copy}")
    assert "would lose the keypoints" in str(done.error)
    assert "model=yolo12n-pose" in str(done.error)
    done = look(tmp_path, "model=yolo12n-pose", *named(root), f"data.fix_to={copy}")
    assert done.error is None
    assert (copy / "labels/train/p00.txt").read_text() == "0 0.5 0.5 0.5 0.5 0.6 0.5 2\n0 0.5 0.5 0.5 0.5 0 0 0\n"
    assert "kpt_shape" in (copy / "data.yaml").read_text()


@pytest.mark.parametrize(
    ("purpose", "line", "mended", "how"),
    [
        ("detect", "0 0.95 0.5 0.2 0.4", "0 0.925 0.5 0.15 0.4", "clipped"),
        ("detect", "0 0.901 0.5 0.2 0.4", "0 0.901 0.5 0.2 0.4", ""),  # a tenth of a pixel: rounding
        ("detect", "0 320 240 64 64", "", "left out: it has the coordinate 320"),
        ("detect", "0 1.3 0.5 0.2 0.4", "", "left out: it has the coordinate 1.3"),  # nothing of it is inside
        ("detect", "0 0.5 0.5 0 0.4", "", "left out: it has a box of width 0"),
        ("detect", "crop 0.5 0.5 0.2 0.4", "", "left out: it is malformed"),
        ("segment", "0 0.1 0.1 1.2 0.1 0.5 0.9", "0 0.1 0.1 1 0.1 0.5 0.9", "clipped"),
        ("obb", "0 0.5 0.1 1.2 0.5 0.5 0.9 0.1 0.5", "", "left out"),  # a clipped one would be no rectangle
        ("pose", "0 0.95 0.5 0.2 0.4 1.2 0.5 2", "0 0.925 0.5 0.15 0.4 0 0 0", "clipped"),
    ],
)
def test_a_line_is_mended_without_a_guess_or_left_out(purpose: str, line: str, mended: str, how: str) -> None:
    rule = label_rule(purpose, (1, 3) if purpose == "pose" else (0, 0))
    done = mend_label(f"{line}\n".encode(), size_px=(100, 100), num_classes=2, rule=rule, purpose=purpose)
    assert done.content.decode().strip() == mended
    assert how in " ".join(done.done)
    assert bool(done.done) == bool(how)
    assert (done.fault is not None) == (mended == "")
