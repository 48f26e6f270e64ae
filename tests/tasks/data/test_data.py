"""task=data: figures, planted faults of each kind, what fails, and the page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from ultralytics.utils.patches import imread

from sdpa_exp.errors import ConfigError
from sdpa_exp.launch.launch import run_single
from sdpa_exp.runs.record import read_record
from sdpa_exp.tasks.data.draw import colour_of, drawn
from sdpa_exp.tasks.data.look import Seen, picture_of
from sdpa_exp.tasks.data.objects import to_object
from tests.data.annotated import make_blood_cells
from tests.tasks.data.planted import Done, look, make_sound, named, plant
from tests.tasks.planning import plan_of

SHARED = Path(os.environ.get("SDPA_EXP_SHARED", "/nowhere")) / "data"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDPA_EXP_CACHE", str(tmp_path / "cache"))


def test_a_sound_data_set_has_its_figures_by_split_class_and_size(tmp_path: Path) -> None:
    done = look(tmp_path, *named(make_sound(tmp_path / "field")), "train.imgsz=640")
    assert done.error is None
    assert done.content["findings"] == []
    train = done.content["figures"]["train"]
    assert (train["images"], train["backgrounds"], train["boxes"]) == (24, 0, 48)
    # at 640 x 480 px the boxes are 160 x 240 and 64 x 48
    assert train["sizes"] == {"small": 0, "medium": 24, "large": 24}
    assert train["classes"]["crop"] == {"images": 24, "boxes": 24, "sizes": {"small": 0, "medium": 0, "large": 24}}
    assert done.content["figures"]["all"]["image_sizes"] == {"128x96": 36}
    assert done.outcome.metrics["num_images"] == 36
    small = look(tmp_path, *named(tmp_path / "field"), "train.imgsz=64").content["figures"]["train"]
    assert small["sizes"] == {"small": 48, "medium": 0, "large": 0}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, dict[str, str]]:
    folder = tmp_path_factory.mktemp("faulty")
    expected = plant(make_sound(folder / "field"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDPA_EXP_CACHE", str(folder / "cache"))
        return look(folder, *named(folder / "field")), expected


def test_each_planted_fault_is_found_once_and_named_by_file(faulty: tuple[Done, dict[str, str]]) -> None:
    done, expected = faulty
    for code, file in expected.items():
        assert any(line.startswith(file) for line in done.codes[code]["files"]), (code, done.codes.get(code))
    assert set(done.codes) == {*expected, "preparation"}
    assert [len(done.codes[code]["files"]) for code in ("bad_images", "bad_lines", "bad_labels")] == [2, 3, 1]
    assert "1 of 22 train images have no label file" in done.codes["preparation"]["sentence"]
    assert "1 with another label" in done.codes["same_images"]["sentence"]
    errors = {code for code, each in done.codes.items() if each["severity"] == "error"}
    assert errors == {"bad_images", "bad_lines", "bad_labels", "leaks"}
    assert done.outcome.metrics["num_errors"] == 4


def test_errors_fail_with_one_sentence_after_all_was_written(faulty: tuple[Done, dict[str, str]]) -> None:
    done, _ = faulty
    assert done.error is not None
    assert done.error.exit_code == 3
    sentence = str(done.error)
    assert "field is not sound: 2 images can't be trained on" in sentence
    assert "And 3 more findings" in sentence
    assert str(done.folder / "report.html") in sentence
    assert "data.fix_to=" in sentence
    assert {"data.json", "report.html", "report.txt", "contact_sheet.png"} <= {p.name for p in done.folder.iterdir()}
    page = (done.folder / "report.html").read_text()
    assert "images/val/p01.jpg" in page
    assert "In two splits" in page
    assert "Alike in two splits" in page
    assert "http" not in page.replace("https://", "http")  # no network


def test_a_command_ends_with_3_needs_no_torch_and_has_nothing_to_repeat(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_sound(tmp_path / "field", 4, 2)
    (root / "labels/train/p01.txt").write_text("0 0.5 0.5 0 0.5\n1 0.2 0.2 0.1 0.1\n")
    options = ("tracking=none", "telemetry=none", "data.num_shown=2")
    plan = plan_of("task=data", *named(root), *options, run_dir=tmp_path / "run")
    assert run_single(plan) == 3
    screen = " ".join(capsys.readouterr().out.split())
    assert "FAILED: field is not sound: 1 line of a label can't be used" in screen
    assert "images/train/p01.jpg line 1 has a box of width 0" in screen
    assert "did not finish" not in screen  # it did, and this is its answer
    record = read_record(tmp_path / "run")
    assert record.error == "UnsoundData"
    assert record.metrics["num_errors"] == 1
    assert "python" in record.environment
    assert "cuda" not in record.environment  # which torch would have been asked for


def test_what_fails_is_a_choice(tmp_path: Path) -> None:
    root = make_sound(tmp_path / "field")
    (root / "labels/train/p05.txt").write_text("0 0.95 0.5 0.2 0.5\n1 0.2 0.2 0.1 0.1\n")
    strict = look(tmp_path, *named(root), "data.fail_on=warnings")
    assert "1 box sticks out of the image by more than a pixel" in str(strict.error)
    (root / "images/train/p00.jpg").write_bytes(b"")
    tolerant = look(tmp_path, *named(root), "data.fail_on=nothing")
    assert tolerant.error is None
    assert "bad_images" in tolerant.codes


def test_a_data_set_that_cannot_be_read_at_all_is_refused_with_its_sentence(tmp_path: Path) -> None:
    root = make_sound(tmp_path / "field")
    (root / "data.yaml").write_text("train: images/train\nval: images/nowhere\nnames: [a, b]\n")
    done = look(tmp_path, *named(root))
    assert "nowhere does not exist" in str(done.error)
    assert done.content == {}


def test_annotations_of_other_formats_are_looked_at_as_labels_are(tmp_path: Path) -> None:
    root = make_blood_cells(tmp_path / "BCCD")  # with two boxes without a size
    marked = root / "Annotations/Blood_2.xml"
    marked.write_text(marked.read_text().replace("<difficult>0", "<difficult>1", 1))
    done = look(tmp_path, "dataset=voc_xml", f"dataset.path={root}", f"data.fix_to={tmp_path / 'mended'}")
    assert done.codes["bad_boxes"]["sentence"] == "2 boxes can't be used; a training leaves them out."
    assert done.codes["bad_boxes"]["files"] == ["JPEGImages/Blood_1.jpg: no width or height"] * 2
    assert (done.codes["bad_boxes"]["severity"], done.codes["marked_boxes"]["severity"]) == ("warning", "info")
    assert "preparation" not in done.codes  # which would say it again
    assert done.error is None
    changed = [Path(fix["file"]).stem for fix in done.content["mended"]["fixes"]]
    assert sorted(changed) == ["Blood_1", "Blood_1", "Blood_2"]
    assert done.content["figures"]["all"]["boxes"] == 11
    assert look(tmp_path, "dataset=voc_xml", f"dataset.path={root}").error is None  # a training takes it as it is


def test_a_test_split_is_looked_at_where_there_is_one(tmp_path: Path) -> None:
    root = make_sound(tmp_path / "field")
    (root / "data.yaml").write_text("train: images/train\nval: images/val\ntest: images/val\nnames: [crop, weed]\n")
    done = look(tmp_path, *named(root))
    assert done.content["figures"]["test"]["images"] == 12
    assert "12 images of test are also in val" in done.codes["leaks"]["sentence"]
    assert "preparation" not in done.codes  # what train.split=test would mean is no matter here


@pytest.mark.parametrize(
    ("purpose", "kind"), [("seg", "polygon"), ("obb", "is_rotated"), ("pose", "keypoints"), ("cls", None)]
)
def test_every_purpose_is_described_and_drawn(purpose: str, kind: str | None, tmp_path: Path) -> None:
    size = ("dataset.num_train_images=4", "dataset.num_val_images=4", "dataset.image_px=96")
    done = look(tmp_path, f"model=yolo12n-{purpose}", *size)
    assert done.error is None
    assert set(done.content["figures"]["train"]["classes"]) == {"crop", "thistle", "amaranth", "grass"}
    assert ("boxes" in done.content["figures"]["train"]) == (kind is not None)
    with Image.open(done.folder / "contact_sheet.png") as sheet:
        assert len(set(sheet.convert("RGB").getdata())) > 1000
    assert (done.folder / "report.html").read_text().count("<img") == 4


@pytest.mark.parametrize(
    ("purpose", "row", "numbers", "spot"),
    [
        ("detect", [0, 0.5, 0.5, 0.5, 0.5], 0, (25, 50)),
        ("segment", [0, 0.2, 0.2, 0.8, 0.2, 0.5, 0.8], 0, (50, 20)),
        ("obb", [0, 0.5, 0.1, 0.9, 0.5, 0.5, 0.9, 0.1, 0.5], 0, (30, 30)),
        ("pose", [0, 0.5, 0.5, 0.8, 0.8, 0.5, 0.5, 2, 0, 0, 0], 3, (50, 50)),
    ],
)
def test_a_label_is_drawn_where_it_is(
    purpose: str, row: list[float], numbers: int, spot: tuple[int, int], tmp_path: Path
) -> None:
    Image.new("RGB", (100, 100)).save(tmp_path / "black.png")
    size_px, bits = picture_of(tmp_path / "black.png")
    picture = Seen(
        split="val", index=0, name="black.png", path=tmp_path / "black.png", file_name="black.png", sha256="",
        size_px=size_px, look=bits,
        class_id=None, content=b"", objects=(to_object(row, purpose, numbers),),
    )  # fmt: skip
    image = drawn(picture, ["crop"], 100)
    colour = tuple(int(colour_of(0)[i : i + 2], 16) for i in (1, 3, 5))
    near = [image.getpixel((spot[0] + dx, spot[1] + dy)) for dx in (-2, -1, 0, 1, 2) for dy in (-2, -1, 0, 1, 2)]
    assert colour in near
    assert image.getpixel((2, 97)) == (0, 0, 0)


def test_a_photograph_that_its_exif_turns_has_the_size_that_ultralytics_reads(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.linear_gradient("L").resize((120, 80)).save(tmp_path / "turned.jpg", exif=exif)
    size_px, _ = picture_of(tmp_path / "turned.jpg")
    assert size_px == (80, 120)
    assert imread(str(tmp_path / "turned.jpg")).shape[:2] == (120, 80)


@pytest.mark.parametrize(
    ("name", "images", "classes", "train", "val"),
    [
        ("pear640", (564, 133), {"pear": 6758}, (876, 5879, 3), (125, 1379, 0)),
        pytest.param(
            "sesame_weeds", (840, 76), {"crop": 906, "weed": 473}, (6, 328, 1045), (0, 43, 85), marks=pytest.mark.slow
        ),
    ],
)
def test_real_photographs_have_the_counts_of_their_provenance(
    name: str,
    images: tuple[int, int],
    classes: dict[str, int],
    train: tuple[int, int, int],
    val: tuple[int, int, int],
    tmp_path: Path,
) -> None:
    root = SHARED / name
    if not root.is_dir():
        pytest.skip(f"SDPA_EXP_SHARED names no folder with data/{name}")
    done = look(tmp_path, *named(root / "data.yaml"))
    figures = done.content["figures"]
    assert (figures["train"]["images"], figures["val"]["images"]) == images
    assert {each: of["boxes"] for each, of in figures["train"]["classes"].items()} == classes
    assert tuple(figures["train"]["sizes"].values()) == train
    assert tuple(figures["val"]["sizes"].values()) == val
    assert {each["severity"] for each in done.content["findings"]} <= {"info"}  # no photograph looks like another one


def test_nothing_slow_is_imported_for_it() -> None:
    code = (
        "import sys, sdpa_exp.tasks.data.work; "
        "print({'torch', 'ultralytics', 'mlflow', 'matplotlib', 'scipy', 'hydra'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("data.fail_on=all", "data.fail_on=all can't work: expected one of errors, warnings, nothing"),
        ("data.num_shown=0", "data.num_shown=0 can't work: expected 1 or more"),
        ("data.fix_to=.", "expected a folder that does not exist yet"),
        ("data.fix_to={root}/mended", "expected a folder outside of the data set"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_starts(option: str, words: str, tmp_path: Path) -> None:
    root = make_sound(tmp_path / "field", 1, 1)
    with pytest.raises(ConfigError) as refusal:
        plan_of("task=data", *named(root), option.format(root=root), run_dir=tmp_path)
    assert words in str(refusal.value)
