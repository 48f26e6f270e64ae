"""Ultralytics' own data sets are used where they lie, fetched by its own download, or asked for in a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sdpa_exp.config.schema import AnnotatedDataset, UltralyticsDataset
from sdpa_exp.data.prepare import prepare
from sdpa_exp.errors import ConfigError, DatasetError
from tests.config.composing import compose_plan
from tests.data.annotated import make_blood_cells, write_image
from tests.data.local_server import Answers, nobody, serving
from tests.data.test_zip_file import zipped


def coco8(**changed: object) -> UltralyticsDataset:
    return UltralyticsDataset(name="coco8", file="coco8.yaml", **changed)  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder as the zip file of coco8 holds it, with 2 images in each split."""
    root = tmp_path / "made/coco8"
    for split in ("train", "val"):
        (root / "labels" / split).mkdir(parents=True)
        for number in range(2):
            write_image(root / "images" / split / f"{number:012d}.jpg", len(split) + number)
            (root / "labels" / split / f"{number:012d}.txt").write_text("16 0.5 0.5 0.2 0.2\n")
    return root


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings of Ultralytics but those that a test writes."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "home"


def test_data_that_are_there_are_used_by_path_or_where_ultralytics_keeps_them(
    data: Path, home: Path, cache: Path
) -> None:
    for path in (data, data.parent):
        prepared = prepare(coco8(path=str(path)), cache_dir=cache)
        assert (prepared.num_train_images, prepared.num_val_images, len(prepared.class_names)) == (2, 2, 80)
        assert prepared.class_names[16] == "dog"
    settings = home / ".config/Ultralytics/settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"datasets_dir": str(data.parent)}))
    with nobody() as mirror:
        assert prepare(coco8(mirror=mirror), cache_dir=cache) == prepared


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (
            "coco8",
            "fetch https://github.com/ultralytics/assets/releases/download/v0.0.0/coco8.zip on a machine that can",
        ),
        ("coco128", "coco128.zip on a machine that can, and unpack it so that"),
        ("coco", "check_det_dataset as c; c('coco.yaml')\"` on a machine that can, and copy what it fetches"),
        ("voc", "check_det_dataset as c; c('VOC.yaml')\"` on a machine that can, and copy what it fetches"),
    ],
)
def test_without_network_the_sentence_says_what_to_fetch_and_where_to_put_it(name: str, what: str, cache: Path) -> None:
    dataset = compose_plan(f"dataset={name}").dataset
    assert isinstance(dataset, UltralyticsDataset)
    with nobody() as dataset.mirror, pytest.raises(DatasetError) as caught:
        prepare(dataset, cache_dir=cache)
    said = str(caught.value)
    assert f"dataset={name} is not on this disk, and can't be fetched: 127.0.0.1:" in said
    assert what in said
    assert f"so that {cache / 'downloads'}" in said
    assert "\n" not in said
    assert not list((cache / "downloads").glob("*/"))


def test_what_is_put_where_the_sentence_says_is_found(data: Path, cache: Path) -> None:
    shutil.copytree(data, cache / "downloads/coco8/coco8")
    with nobody() as mirror:
        assert prepare(coco8(mirror=mirror), cache_dir=cache).num_val_images == 2


def test_a_wrong_path_or_file_is_refused(data: Path, cache: Path) -> None:
    shutil.rmtree(data / "images/val")
    with pytest.raises(
        DatasetError, match=r"doesn't hold coco8: expected images/train, images/val in it. Where there is no"
    ):
        prepare(coco8(path=str(data)), cache_dir=cache)
    with pytest.raises(DatasetError, match=r"dataset\.file=coco9\.yaml is none of Ultralytics' data sets"):
        prepare(UltralyticsDataset(name="c", file="coco9.yaml"), cache_dir=cache)
    with pytest.raises(ConfigError, match=r"dataset\.mirror=my/mirror can't work: expected an address"):
        compose_plan("dataset=coco8", "dataset.mirror=my/mirror")


def test_ultralytics_own_download_fetches_it_once(data: Path, tmp_path: Path, cache: Path) -> None:
    answers = Answers(files={"/coco8.zip": zipped(data, tmp_path / "coco8.zip", "coco8").read_bytes()})
    with serving(answers) as mirror:
        prepared = prepare(coco8(mirror=mirror), cache_dir=cache)
        assert prepare(coco8(mirror=mirror), cache_dir=cache) == prepared
    assert prepared.digest == prepare(coco8(path=str(data)), cache_dir=cache).digest
    assert answers.asked == ["HEAD /coco8.zip", "GET /coco8.zip"]
    assert sorted(path.name for path in (cache / "downloads").iterdir()) == ["coco8", "coco8.lock"]
    assert [path.name for path in (cache / "downloads/coco8").iterdir()] == ["coco8"]


@pytest.mark.slow
def test_a_download_that_breaks_off_leaves_nothing_behind(cache: Path) -> None:
    answers = Answers(files={"/coco8.zip": b"no zip file"})
    with serving(answers) as mirror, pytest.raises(DatasetError) as caught:
        prepare(coco8(mirror=mirror), cache_dir=cache)
    said = str(caught.value)
    assert "dataset=coco8 wasn't fetched: Ultralytics' download ended with: " in said
    assert "Nothing was kept. Where there is no network: fetch https://github.com" in said
    assert "\n" not in said
    assert not list((cache / "downloads").glob("*/"))


@pytest.mark.slow
def test_pascal_vocs_own_script_converts_as_ours_does(tmp_path: Path, cache: Path) -> None:
    """Both read the same XML file: Ultralytics' download script, and dataset=voc_xml."""
    files = {}
    for archive, year, lists in (
        ("VOCtrainval_06-Nov-2007", "2007", {"train": 0, "val": 2}),
        ("VOCtest_06-Nov-2007", "2007", {"test": 4}),
        ("VOCtrainval_11-May-2012", "2012", {"train": 0, "val": 2}),
    ):
        root = make_blood_cells(tmp_path / archive / f"VOCdevkit/VOC{year}")
        for file in (root / "Annotations").iterdir():
            file.write_text(file.read_text().replace("RBC", "dog").replace("WBC", "cat").replace("Platelets", "cow"))
        for file in (root / "ImageSets/Main").iterdir():
            file.unlink()
        for split, number in lists.items():
            (root / f"ImageSets/Main/{split}.txt").write_text(f"Blood_{number}\n")
        files[f"/{archive}.zip"] = zipped(tmp_path / archive, tmp_path / f"{archive}.zip").read_bytes()
    with serving(Answers(files=files)) as mirror:
        voc = UltralyticsDataset(name="voc", file="VOC.yaml", mirror=mirror)
        prepared = prepare(voc, cache_dir=cache)
    assert (prepared.num_train_images, prepared.num_val_images) == (4, 1)
    theirs = (cache / "downloads/VOC/VOC/labels/test2007/Blood_4.txt").read_text().split()
    root = tmp_path / "VOCtrainval_06-Nov-2007"
    ours = prepare(AnnotatedDataset(kind="voc_xml", name="t", path=str(root)), cache_dir=cache)
    lines = next((ours.yaml_path.parent / "labels/train").iterdir()).read_text().split()
    assert (theirs[0], theirs[5]) == ("11", "7")
    numbers = [[float(word) for place, word in enumerate(each) if place % 5] for each in (theirs, lines)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-8)
    assert not list((cache / "downloads").rglob("*.zip"))
