"""task=detect finds what Ultralytics finds, in images and videos, and says what it left out."""

from __future__ import annotations

import csv
import http.server
import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from ultralytics import YOLO

from sdpa_exp.errors import ConfigError, DatasetError, RunError
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.detect import Detect
from sdpa_exp.tasks.detect.frames import open_source
from sdpa_exp.tasks.detect.keep import Keeper
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
    assert "every one has its partner" in report
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


PURPOSES = {"-seg": "masks", "-pose": "poses", "-obb": "rotated boxes", "-cls": "best classes"}


@pytest.mark.parametrize(
    "kind", ["-seg", "-cls", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("-pose", "-obb"))]
)
def test_models_for_something_else_than_boxes_are_drawn_and_written_as_what_they_find(
    kind: str, tmp_path: Path
) -> None:
    """Two arms on one image: table, labels and COCO JSON hold the shapes, and the labels are those of yolo predict."""
    weights = write_checkpoint(tmp_path / "best.pt", imgsz=64, score=None if kind == "-cls" else 0.5, kind=kind)
    (image,) = write_images(tmp_path / "images", 1, (64, 64))
    options = ("attention=sdpa", "detect.other_arm=stock", f"detect.weights={weights}", f"detect.source={image}")
    kept = "images,csv,txt" if kind == "-cls" else "images,csv,txt,coco"
    outcome, _ = run_task(detect, tmp_path, *TINY, *options, f"detect.save=[{kept}]", "detect.conf=0.5005")
    assert outcome.headline is not None
    assert f" {PURPOSES[kind]} in 1 frames" in outcome.headline
    content = json.loads((tmp_path / "detect.json").read_text())
    assert content["num_boxes"] > 0
    assert content["num_boxes_only_in_one"] == 0
    with (tmp_path / "detections.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == "sdpa"]
    labels = (tmp_path / "labels" / "000.txt").read_text().splitlines()
    (theirs,) = YOLO(weights).predict(image, imgsz=64, conf=0.5005, device="cpu", verbose=False)
    theirs.save_txt(tmp_path / "theirs.txt", save_conf=True)
    expected = (tmp_path / "theirs.txt").read_text().splitlines()
    assert sorted(line.split()[0] for line in labels) == sorted(line.split()[0] for line in expected)
    assert Image.open(tmp_path / "pictures" / "000.jpg").size == (128, 64)
    if kind == "-cls":
        assert [row["name"] for row in rows] == [theirs.names[number] for number in theirs.probs.top5][: len(rows)]
        return
    shape = json.loads(rows[0][{"-seg": "polygon", "-pose": "keypoints", "-obb": "corners"}[kind]])
    assert len(shape) == {"-pose": 51, "-obb": 8}.get(kind, len(shape)) > 0
    annotations = json.loads((tmp_path / "detections_coco.json").read_text())["annotations"]
    assert len(annotations) == len(rows) == content["num_boxes"]
    if kind == "-pose":
        assert len(annotations[0]["keypoints"]) == 51
    else:
        assert annotations[0]["segmentation"] == [shape]


def test_two_models_for_different_purposes_and_a_format_that_a_purpose_has_not_are_refused(
    weights: Path, folder: Path, tmp_path: Path
) -> None:
    classes = write_checkpoint(tmp_path / "classes.pt", imgsz=64, kind="-cls")
    source = f"detect.source={folder}"
    with pytest.raises(RunError, match=r"is for classify, and .* for detect: expected two models of one purpose"):
        run_task(detect, tmp_path, *TINY, source, f"detect.weights={weights}", f"detect.other_weights={classes}")
    with pytest.raises(RunError, match=r"detect\.save asks for coco, .* classifies whole images"):
        run_task(detect, tmp_path, *TINY, source, f"detect.weights={classes}", "detect.save=[coco]")
    assert not (tmp_path / "detect.json").exists()


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


class _Camera(http.server.BaseHTTPRequestHandler):
    """Sends motion JPEG as network cameras do: five grey frames, each a part of one endless answer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in range(5):
            jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 40 + 10 * number, np.uint8))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""


def test_a_network_camera_is_read_frame_by_frame_over_http() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Camera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/stream"
    with pytest.raises(ConfigError, match="has no end: expected the number of frames to look at"):
        Detect(source=address)._check_source()
    source = open_source(Detect(source=address, num_frames=8), [])
    frames = [frames for _, frames in zip(range(8), source, strict=False)]  # the camera breaks off after 5 and is back
    source.close()
    server.shutdown()
    server.server_close()
    assert source.num_files is None
    greys = [round(each.batch.images[0].mean() / 10) for each in frames]
    assert greys[:5] == [4, 5, 6, 7, 8]
    assert set(greys[5:]) <= {4, 5, 6, 7, 8}  # no black picture for the moment without one
    assert [each.numbers for each in frames] == [(number,) for number in range(1, 9)]


def test_without_a_codec_the_frames_are_kept_as_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdpa_exp.tasks.detect.keep._VIDEO_KINDS", ((".mkv", "none"),))
    keeper = Keeper(tmp_path, ["images"], {0: "pear"}, "detect")
    for number in (1, 2):
        keeper.keep_picture("my/clip.avi", number, 10.0, np.zeros((48, 64, 3), np.uint8))
    keeper.close()
    assert keeper.lacks_codec
    assert {path.name for path in (tmp_path / "pictures").glob("*.jpg")} == {"clip_000001.jpg", "clip_000002.jpg"}


def test_a_stream_is_read_frame_by_frame(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.avi", 6)
    (tmp_path / "list.streams").write_text(f"{video}\n", encoding="utf-8")
    source = open_source(Detect(source=str(tmp_path / "list.streams"), num_frames=3), [])
    frames = [frames for _, frames in zip(range(3), source, strict=False)]
    source.close()
    assert [each.numbers for each in frames] == [(1,), (2,), (3,)]
    assert [round(each.batch.images[0].mean() / 10) for each in frames] == [0, 1, 2]
    assert frames[0].fps == 10
