"""Models for masks, poses, rotated boxes and classes: a training of each, and a sweep of two arms."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sdpa_exp.callbacks.attestation import attest_step
from sdpa_exp.compare.findings.recorded import recorded
from sdpa_exp.compare.load.groups import GroupRuns
from sdpa_exp.compare.load.run import Run
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.runs.purposes import PURPOSES
from sdpa_exp.tasks.hardware import resolve_hardware
from sdpa_exp.tasks.train.work import train
from sdpa_exp.tasks.training import MATH_CODE, set_up_training
from tests.tasks.in_process import run_task
from tests.tasks.planning import plan_of

MODELS = {"segment": "yolo12n-seg", "pose": "yolo12n-pose", "obb": "yolo12n-obb", "classify": "yolo12n-cls"}
SMALLEST = (
    "hardware=cpu",
    "hardware.num_threads=1",
    "hardware.batch=4",
    "dataset.num_train_images=4",
    "dataset.num_val_images=2",
    "dataset.image_px=96",
    "train.epochs=1",
    "train.imgsz=32",
    "train.plots=false",
)


@pytest.mark.parametrize("purpose", ["pose", "obb"])
def test_a_step_trains_what_the_model_is_for(purpose: str, tmp_path: Path, no_trackers: None) -> None:
    plan = plan_of(f"model={MODELS[purpose]}", *SMALLEST, run_dir=tmp_path)
    plan = dataclasses.replace(plan, hardware=resolve_hardware(plan.hardware))
    event_log = EventLog(tmp_path)
    trainer = set_up_training(plan, event_log, Outcome(environment={})).trainer
    trainer._setup_train()
    batch = trainer.preprocess_batch(next(iter(trainer.train_loader)))
    assert ("keypoints" in batch, batch["bboxes"].shape[1]) == {"pose": (True, 4), "obb": (False, 5)}[purpose]
    evidence = attest_step(trainer, precision="fp32")
    event_log.close()
    assert {(item.stage, *item.kernels) for item in evidence} == {
        ("train_forward", "flash"),
        ("train_backward", "flash"),
    }


def test_a_training_that_runs_math_unasked_records_it_and_its_comparison_names_flash(
    tmp_path: Path, no_trackers: None
) -> None:
    """YOLO11's q and k are smaller than its v."""
    plan = plan_of("model=yolo11n", "attention=sdpa", *SMALLEST, run_dir=tmp_path)
    plan = dataclasses.replace(plan, hardware=resolve_hardware(plan.hardware))
    outcome, event_log = Outcome(environment={}), EventLog(tmp_path)
    set_up_training(plan, event_log, outcome)
    event_log.close()
    runs = (
        Run(arm="sdpa", seed=0, folder=tmp_path, status="FINISHED", warnings=outcome.warnings),
        Run(arm="flash", seed=0, folder=tmp_path, status="FINISHED"),
    )
    findings = recorded(GroupRuns(group_id="g", runs=runs, settings={}))
    (sentence,) = [finding.sentence for finding in findings if finding.code == MATH_CODE]
    assert sentence.startswith(
        "sdpa seed 0: attention=sdpa leaves the kernel to PyTorch, which takes math, its slowest"
    )
    assert "attention=flash pads them and runs a fused kernel." in sentence


@pytest.mark.parametrize(
    "purpose", ["classify", *(pytest.param(name, marks=pytest.mark.slow) for name in ("segment", "pose", "obb"))]
)
def test_a_training_measures_and_attests_what_the_model_is_for(purpose: str, tmp_path: Path, no_trackers: None) -> None:
    outcome, plan = run_task(train, tmp_path, f"model={MODELS[purpose]}", *SMALLEST)
    assert plan.purpose is PURPOSES[purpose]
    assert outcome.attestation is not None
    assert outcome.attestation["ok"]
    assert {kernel for kernels in outcome.attestation["executed"].values() for kernel in kernels} == {"flash"}
    assert {*plan.purpose.shown} <= {name for name, value in outcome.metrics.items() if value is not None}
    content = json.loads((tmp_path / "accuracy.json").read_text())
    assert (content["measured"], content["weights"]) == (plan.purpose.predicts, "best.pt")
    assert outcome.warnings == []


def test_a_task_for_boxes_refuses_a_model_for_something_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is for models that predict boxes, and .* predicts masks \(task segment\)"):
        plan_of("task=latency", "model=yolo12n-seg", run_dir=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("purpose", MODELS)
def test_a_sweep_of_two_arms_ends_in_a_verdict_on_the_metric_of_the_purpose(purpose: str, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "sdpa_exp", "-m", f"model={MODELS[purpose]}", "attention=stock,sdpa", "train.imgsz=96"),
        *(
            "hardware=cpu",
            "tracking=none",
            "compare.speed=trainings",
            "train.plots=false",
            f"hydra.sweep.dir={tmp_path / 'sweep'}",
        ),
    ]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    comparison = json.loads((tmp_path / "sweep" / "comparison.json").read_text())
    (group,) = comparison["groups"]
    asked = {question["name"]: question["metric"] for question in comparison["questions"]}
    metric = PURPOSES[purpose].accuracy
    assert asked["accuracy"] == metric
    assert metric in next(each["sentence"] for each in group["verdicts"] if each["question"] == "accuracy")
    by_arm = {arm["name"]: arm for arm in group["arms"]}
    for arm, kernel in (("stock", "explicit softmax (stock)"), ("sdpa", "flash")):
        assert by_arm[arm]["described"][metric]["mean"] > 0
        assert set(by_arm[arm]["kernels"]["train_forward"]) == {kernel}
