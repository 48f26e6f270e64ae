"""task=detect finds what Ultralytics finds, in images and videos, and says what it left out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import pytest
import torch
from PIL import Image
from ultralytics import YOLO

from sdpa_exp.errors import ConfigError, DatasetError
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.detect import Detect
from sdpa_exp.tasks.detect.frames import open_source
from sdpa_exp.tasks.detect.work import detect
from tests.config.composing import compose_plan
from tests.tasks.in_process import run_task
from tests.tasks.latency.frames import write_images, write_video
from tests.tasks.latency.running import write_checkpoint

TINY = ("task=detect", "hardware=cpu", "hardware.num_threads=1")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("weights") / "best.pt", imgsz=96, score=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images, a video of three frames, an empty image, one that was cut off, and a video that is none."""
    folder = tmp_path_factory.mktemp("mixed")
    images = write_images(folder, 2, (96, 64))
    write_video(folder / "clip.avi", 3)
    (folder / "empty.jpg").write_bytes(b"")
    Image.open(images[0]).save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:600])
    (folder / "bad.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module")
def detected(weights: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """sdpa and stock side by side on that folder, with everything kept."""
    run_dir = tmp_path_factory.mktemp("detect")
    options = ("attention=sdpa", "detect.other_arm=stock", "detect.save=[images,csv,txt,coco]", "detect.conf=0.51")
    outcome, _ = run_task(detect, run_dir, *TINY, *options, f"detect.weights={weights}", f"detect.source={folder}")
    return run_dir, outcome


def test_two_arms_find_the_same_boxes_in_images_and_videos_and_both_kernels_are_attested(
    detected: tuple[Path, Outcome],
) -> None:
    run_dir, outcome = detected
    content = json.loads((run_dir / "detect.json").read_text())
    assert content["num_frames"] == 5
    assert content["num_boxes"] > 0
    assert content["num_boxes_only_in_one"] == 0
    assert [side["label"] for side in content["sides"]] == ["sdpa", "stock"]
    assert outcome.attestation is not None
    assert outcome.attestation["executed"] == {"predict_forward": {"flash": 8}}
    assert outcome.metrics["num_boxes"] == content["num_boxes"]
    report = (run_dir / "report.txt").read_text()
    assert "every box has its partner" in report
    assert "attested: sdpa ran flash at 8 layers" in report


def test_files_that_cannot_be_read_are_left_out_and_listed(detected: tuple[Path, Outcome], folder: Path) -> None:
    run_dir, outcome = detected
    skipped = json.loads((run_dir / "detect.json").read_text())["skipped"]
    assert set(skipped) == {str(folder / name) for name in ("empty.jpg", "cut.jpg", "bad.mp4")}
    assert skipped[str(folder / "bad.mp4")] == "can't be opened as a video"
    assert {warning["code"] for warning in outcome.warnings} == {"file_skipped"}
    assert "3 files were left out:" in (run_dir / "report.txt").read_text()


def test_table_labels_coco_and_pictures_agree(detected: tuple[Path, Outcome], folder: Path) -> None:
    run_dir, _ = detected
    content = json.loads((run_dir / "detect.json").read_text())
    with (run_dir / "detections.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == "sdpa"]
    assert len(rows) == content["num_boxes"]
    coco = json.loads((run_dir / "detections_coco.json").read_text())
    assert len(coco["annotations"]) == len(rows)
    assert len(coco["images"]) == 5
    labels = sorted((run_dir / "labels").iterdir())
    assert [path.name for path in labels] == ["000.txt", "001.txt", "clip_1.txt", "clip_2.txt", "clip_3.txt"]
    first = [float(part) for part in labels[0].read_text().splitlines()[0].split()]
    row = next(row for row in rows if row["file"] == str(folder / "000.png"))
    assert first[1] == pytest.approx((float(row["x1"]) + float(row["x2"])) / 2 / 96, abs=1e-3)
    box = coco["annotations"][0]["bbox"]
    assert box[2] == pytest.approx(float(rows[0]["x2"]) - float(rows[0]["x1"]), abs=0.02)
    assert Image.open(run_dir / "pictures" / "000.jpg").size == (192, 64)  # two models in a row
    video = cv2.VideoCapture(str(run_dir / "pictures" / "clip.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert video.get(cv2.CAP_PROP_FPS) == 10


def test_the_boxes_are_those_of_yolo_predict(detected: tuple[Path, Outcome], weights: Path, folder: Path) -> None:
    run_dir, _ = detected
    (theirs,) = YOLO(weights).predict(folder / "001.png", imgsz=96, conf=0.51, device="cpu", verbose=False)
    with (run_dir / "detections.csv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["model"] == "stock" and r["file"] == str(folder / "001.png")]
    mine = torch.tensor([[float(row[key]) for key in ("x1", "y1", "x2", "y2", "score")] for row in rows])
    assert len(mine) == len(theirs.boxes)
    assert torch.allclose(mine.sort(0).values, theirs.boxes.data[:, :5].sort(0).values, atol=0.02)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("task=detect",), "detect.weights is missing: fresh weights detect noise"),
        (("detect.source=nowhere/*.jpg",), "nowhere/*.jpg can't work: expected an image, a folder, a video or a glob"),
        (
            ("detect.source='0'",),
            "detect.source=0 has no end: expected the number of frames to look at.",
        ),
        (("detect.source='rtsp://camera/1'",), "detect.source=rtsp://camera/1 has no end"),
        (("detect.save=[pictures]",), "detect.save=pictures can't work: expected one of images, csv, txt, coco."),
        (("detect.conf=2",), "detect.conf=2.0 can't work: expected a number from 0 to 1. Set detect.conf=0.25."),
        (("attention=sdpa", "detect.other_arm=sdpa"), "expected another attention than attention=sdpa, since nothing"),
        (("detect.other_arm=fast",), "detect.other_arm=fast can't work"),
    ],
)
def test_options_that_cannot_work_are_refused(overrides: tuple[str, ...], sentence: str) -> None:
    weights = () if overrides == ("task=detect",) else ("detect.weights=best.pt",)
    with pytest.raises(ConfigError) as caught:
        compose_plan("task=detect", *weights, *overrides)
    assert sentence in str(caught.value)


def test_a_camera_or_stream_that_does_not_answer_and_a_folder_without_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"detect\.source=7 gives no pictures: .* Expected a camera or stream"):
        open_source(Detect(source="7", num_frames=1), [])
    with pytest.raises(DatasetError, match=r"holds no image or video: expected JPEG"):
        open_source(Detect(source=str(tmp_path)), [])


def test_a_stream_is_read_frame_by_frame(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", 6)
    (tmp_path / "list.streams").write_text(f"{video}\n", encoding="utf-8")
    source = open_source(Detect(source=str(tmp_path / "list.streams"), num_frames=3), [])
    frames = [frames for _, frames in zip(range(3), source, strict=False)]
    source.close()
    assert [each.numbers for each in frames] == [(1,), (2,), (3,)]
    assert [round(each.batch.images[0].mean() / 10) for each in frames] == [0, 1, 2]
    assert frames[0].fps == 10
