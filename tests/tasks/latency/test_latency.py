"""task=latency on real models: what it measures, what it proves, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sdpa_exp.errors import AttestationError, BackendUnavailable, DatasetError, InjectionError, RunError
from sdpa_exp.runs.metrics import TASK_METRICS
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.latency.report import render_latency
from tests.tasks.latency.frames import write_images
from tests.tasks.latency.running import run, write_checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, dict[str, Any], Path]:
    """Stock, two arms, the floor, an arm that can't run, and a precision in which none can."""
    folder = tmp_path_factory.mktemp("latency")
    arms, precisions = "latency.arms=[eager,identity,efficient]", "latency.precisions=[fp32,fp16]"
    return *run(folder, "attention=flash", arms, precisions, "latency.batches=[1,3]"), folder


def test_arms_are_timed_attested_and_compared_with_stock(
    whole: tuple[Outcome, dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome, content, folder = whole
    assert [variant["batch"] for variant in content["variants"]] == [1, 3]
    one, three = content["variants"]
    assert list(one["arms"]) == ["stock", "flash", "eager", "identity"]
    assert one["input_shapes"] == [[1, 3, 64, 64]]
    assert three["input_shapes"] == [[3, 3, 64, 64]]
    for figures in one["arms"].values():
        parts = sum(figures["stages_ms"][stage]["mean"] for stage in ("pre", "model", "post"))
        assert figures["latency_ms"]["mean"] == pytest.approx(parts)
        assert figures["fps"] == pytest.approx(1e3 / figures["latency_ms"]["mean"])
        assert figures["latency_ms"]["p99"] is None
    assert one["arms"]["stock"]["speedup"] is None
    assert one["arms"]["flash"]["speedup"]["num_pairs"] == 6
    assert content["attestation"]["flash"]["executed"] == {"fp32_channels_last_forward": {"flash": 8}}
    assert content["attestation"]["eager"]["executed"] == {
        "fp32_channels_last_forward": {"explicit softmax (eager)": 8}
    }
    agreed = {found["arm"]: found["is_same"] for found in content["agreement"]}
    assert (agreed["flash"], agreed["eager"]) == (True, True)
    assert 0 < content["agreement"][0]["raw_max_box_diff_px"] < 0.1

    assert outcome.attestation == content["attestation"]["flash"]
    assert outcome.metrics["fps"] == one["arms"]["flash"]["fps"]
    assert outcome.metrics["latency_p95_ms"] is None
    assert "6 batches were timed, and this percentile needs 20" in outcome.unmeasured["latency_p95_ms"]
    assert set(outcome.metrics) - {"fp32_channels_last_batch3/fps"} <= set(TASK_METRICS)
    assert set(outcome.phases_s) >= {"setup", "fp32_channels_last_batch1", "fp32_channels_last_batch3", "attestation"}
    assert "fresh_weights" in {warning["code"] for warning in outcome.warnings}

    rows = list(csv.DictReader((folder / "latency_samples.csv").open()))
    assert len(rows) == 2 * 6 * 4
    own = [float(row["model_ms"]) for row in rows if row["arm"] == "flash" and row["batch"] == "1"]
    assert outcome.metrics["model_p50_ms"] == pytest.approx(np.median(own), abs=1e-3)
    with Image.open(folder / "latency.png") as picture:
        assert picture.size[0] > 800
    for columns in (80, 140):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = render_latency(content)
        assert max(len(line) for line in text.splitlines()) <= columns
        assert "…" not in text
    assert "flash ran flash at 8 layers" in text


def test_a_backend_that_is_never_executed_fails_after_everything_is_written(tmp_path: Path) -> None:
    planted = "attention.backend='tests.evidence.test_attest:EXPLICIT'"
    with pytest.raises(AttestationError, match="ran explicit softmax instead of flash"):
        run(tmp_path, "attention=flash", planted)
    assert "NOT AS ASKED" in (tmp_path / "report.txt").read_text()


def test_a_backend_that_computes_something_else_is_said_to_differ(tmp_path: Path) -> None:
    planted = ("attention.name=planted", "attention.backend='tests.evidence.faults:TOKENS_MAJOR'")
    outcome, content = run(tmp_path, "attention=eager", *planted, "latency.conf=0.01")
    (found,) = content["agreement"]
    assert found["raw_max_box_diff_px"] > 0.1
    assert not found["is_close"]
    assert "planted DIFFERS from stock" in found["sentence"]
    assert "outputs_differ" in {warning["code"] for warning in outcome.warnings}


def test_the_size_is_the_checkpoints_own(tmp_path: Path) -> None:
    weights = write_checkpoint(tmp_path / "best.pt", imgsz=96, score=0.5)
    write_images(tmp_path / "images", 2)
    options = (f"latency.weights={weights}", f"latency.source={tmp_path / 'images'}", "latency.imgsz=null")
    outcome, content = run(tmp_path, "attention=sdpa", *options, "latency.arms=[math]")
    assert content["imgsz"] == 96
    assert content["source"]["num_found"] == 2
    assert content["variants"][0]["input_shapes"] == [[1, 3, 96, 96]]
    assert "fresh_weights" not in {warning["code"] for warning in outcome.warnings}
    assert content["agreement"][0]["num_detections"] > 0
    assert "have the same" in content["agreement"][1]["sentence"]


@pytest.mark.parametrize(
    ("model", "num_layers", "nms", "boxes_by"),
    [
        ("yolo11n", 1, "null", "NMS"),
        pytest.param("yolo26n", 1, "null", "NMS", marks=pytest.mark.slow),
        ("yolo26n", 1, "false", "no NMS: the model selects"),
        pytest.param("yolo10n", 1, "false", "no NMS: the model selects", marks=pytest.mark.slow),
        pytest.param("rtdetr_l", 1, "null", "no NMS: the model selects", marks=pytest.mark.slow),
    ],
)
def test_other_families_predict_too(model: str, num_layers: int, nms: str, boxes_by: str, tmp_path: Path) -> None:
    _, content = run(tmp_path, f"model={model}", "attention=sdpa", f"latency.nms={nms}")
    assert content["boxes_by"] == boxes_by
    assert content["attestation"]["sdpa"]["num_layers"] >= num_layers
    assert content["attestation"]["sdpa"]["ok"]
    (found,) = content["agreement"]
    assert found["raw_max_score_diff"] < 1e-3
    assert (found["raw_max_box_diff_px"] is None) == (boxes_by != "NMS")


def test_the_baseline_alone_in_both_memory_formats_has_no_speedup_and_says_why(tmp_path: Path) -> None:
    outcome, content = run(tmp_path, "attention=stock", "latency.channels_last=[false,true]")
    assert [variant["setup"] for variant in content["variants"]] == ["fp32, NCHW", "fp32, channels_last"]
    assert set(content["attestation"]["stock"]["executed"]) == {"fp32_nchw_forward", "fp32_channels_last_forward"}
    assert list(content["variants"][0]["arms"]) == ["stock"]
    assert outcome.metrics["speedup"] is None
    assert "the baseline itself" in outcome.unmeasured["speedup"]


@pytest.mark.slow
def test_auto_chooses_among_what_runs_in_inference(tmp_path: Path) -> None:
    _, content = run(tmp_path, "attention=auto")
    assert content["attestation"]["auto"]["requested"] == "auto"
    assert content["attestation"]["auto"]["ok"]


def test_the_floor_that_computes_no_attention_runs_in_inference(whole: tuple[Outcome, dict[str, Any], Path]) -> None:
    _, content, _ = whole
    assert content["attestation"]["identity"]["executed"] == {"fp32_channels_last_forward": {}}
    assert content["attestation"]["identity"]["ok"]


def test_a_further_arm_that_cannot_run_is_left_out_with_its_reason(
    whole: tuple[Outcome, dict[str, Any], Path],
) -> None:
    _, content, folder = whole
    reasons = {(item["arm"], item["setup"]): item["reason"] for item in content["not_run"]}
    assert "no CPU kernel" in reasons["efficient", "fp32"]
    assert "Ultralytics predicts in fp32 on a CPU" in reasons["flash", "fp16"]
    assert "efficient" not in content["variants"][0]["arms"]
    assert "not run: attention=efficient in fp32" in " ".join((folder / "report.txt").read_text().split())


def test_an_own_arm_that_cannot_run_at_all_fails_with_reasons(tmp_path: Path) -> None:
    with pytest.raises(
        BackendUnavailable, match=r"attention=sdpa can't predict here: in fp16: Ultralytics predicts in fp3"
    ):
        run(tmp_path, "attention=sdpa", "latency.precisions=[fp16]")


@pytest.mark.parametrize("what", ["text", "segmenter", "without_attention"])
def test_weights_that_are_no_detector_with_attention_are_one_sentence(what: str, tmp_path: Path) -> None:
    from ultralytics.nn.tasks import DetectionModel, SegmentationModel

    path = tmp_path / "best.pt"
    if what == "text":
        path.write_text("no checkpoint")
    else:
        network = SegmentationModel("yolo11n-seg.yaml", nc=2, verbose=False)
        if what == "without_attention":
            network = DetectionModel("yolov8n.yaml", nc=2, verbose=False)
        torch.save({"model": network, "train_args": {}}, path)
    words = {
        "text": "can't be loaded|hold more than",
        "segmenter": "of a SegmentationModel: expected a detector",
        "without_attention": "no atte",
    }
    with pytest.raises((RunError, InjectionError), match=words[what]) as caught:
        run(tmp_path, "attention=sdpa", f"latency.weights={path}")
    assert "\n" not in str(caught.value)


def test_a_folder_with_a_broken_image_fails_before_any_model_is_built(tmp_path: Path) -> None:
    (path,) = write_images(tmp_path / "images", 1)
    path.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"000\.png is empty"):
        run(tmp_path, f"latency.source={tmp_path / 'images'}")
    assert not (tmp_path / "latency.json").exists()


def test_what_does_not_fit_into_memory_is_dropped_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sdpa_exp.tasks.latency.arm import Arm, Stages
    from sdpa_exp.tasks.latency.source import Batch

    whole = Arm.run

    def run_small_ones(self: Arm, batch: Batch) -> Stages:
        if len(batch.images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nMore words.")
        return whole(self, batch)

    monkeypatch.setattr(Arm, "run", run_small_ones)
    _, content = run(tmp_path, "attention=sdpa", "latency.batches=[4,1]")
    assert content["variants"][0]["not_run"] == "CUDA out of memory. Tried to allocate 9 GiB."
    assert content["variants"][1]["num_samples"] == 6
    assert "batch 4: not run: CUDA out of memory" in (tmp_path / "report.txt").read_text()
    (tmp_path / "all").mkdir()
    with pytest.raises(RunError, match=r"no batch of latency\.batches fits into memory: CUDA out of memory"):
        run(tmp_path / "all", "attention=sdpa", "latency.batches=[4]")
    assert json.loads((tmp_path / "all" / "latency.json").read_text())["variants"][0]["arms"] == {}
