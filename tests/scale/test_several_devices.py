"""hardware.devices=2 on a CPU: Ultralytics' road for several GPUs, over gloo."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from ultralytics import YOLO

from sdpa_exp.accuracy.summary import read_accuracy, summarise
from sdpa_exp.callbacks.accuracy import PredictionRecorder, best_confidence, class_figures
from sdpa_exp.config.plan import read_plan
from sdpa_exp.data.prepare import prepare
from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import PROGRESS_FILE, best_checkpoint
from sdpa_exp.runs.record import read_record
from tests.faults.processes import TINY, start, unreadable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

LEARNING = (
    "hardware=cpu", "hardware.num_threads=1", "hardware.devices=2", "train.epochs=4", "train.plots=false",
    "attention=sdpa", "tracking=none", "hydra.run.dir=run",
)  # fmt: skip
TWO = (*TINY, "hardware.devices=2", "attention=sdpa", "tracking=none", "hydra.run.dir=run")


def test_two_processes_train_one_model_each_is_attested_and_figures_are_those_of_one_process(
    tmp_path: Path, no_trackers: None
) -> None:
    command, run_dir = start(LEARNING, tmp_path), tmp_path / "run"
    assert command.wait() == 0, command.output + (run_dir / "worker.log").read_text(encoding="utf-8")
    record = read_record(run_dir)
    assert record.status == "FINISHED"
    assert record.attestation is not None
    first, (second,) = record.attestation, record.attestation["ranks"]
    assert first["ok"]
    assert second["ok"]
    assert first["executed"] == second["executed"]
    assert {"train", "train (process 2)"} <= record.memory.keys()
    assert record.metrics["mAP50-95"] is not None
    assert best_checkpoint(run_dir).exists()
    epochs = [event for event in read_events(run_dir) if event["event"] == "epoch"]
    assert [epoch["num_images"] for epoch in epochs] == [320] * 4
    assert read_plan(run_dir).group()["hardware"]["devices"] == 2
    assert unreadable(run_dir) == []
    assert "Traceback" not in command.output
    assert (record.metrics["F1"] or 0.0) > 0.1, "or there is nothing to compare"
    found, expected = read_accuracy(run_dir), _in_one_process(run_dir, tmp_path)
    assert found is not None
    for key in ("num_images", "num_boxes", "num_predictions", "overall", "classes", "sizes", "intervals"):
        assert _flat(found[key]) == pytest.approx(_flat(expected[key]), abs=1e-6, nan_ok=True), key


def test_a_val_split_that_leaves_a_process_without_images_is_refused_before_the_training(tmp_path: Path) -> None:
    command = start([*TWO, "dataset.num_val_images=1"], tmp_path)
    assert command.wait() == 3, command.output
    assert "the data set has 1 val image(s), and hardware.devices=2 has as many processes validate" in command.output
    assert "epoch 1" not in command.output


def test_the_signal_before_a_time_limit_ends_all_processes_and_the_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    line = [*TWO[:-1], "train.epochs=200", "hydra.sweep.dir=sweep", "-m"]
    command, run_dir = start(line, tmp_path), tmp_path / "sweep" / "0_sdpa_seed0"
    assert command.wait_until((run_dir / PROGRESS_FILE).exists), command.output
    (below,) = psutil.Process(command.process.pid).children()
    all_of_the_job = [*below.children(), below, psutil.Process(command.process.pid)]
    for process in all_of_the_job:  # as Slurm does
        process.send_signal(signal.SIGUSR2)
    assert command.wait() == 128 + signal.SIGUSR2, command.output
    record = read_record(run_dir)
    assert (record.status, record.exit_code) == ("KILLED", 128 + signal.SIGUSR2)
    assert "ended by its job's time limit (SIGUSR2); what it had measured is kept." in (record.reason or "")
    assert not [each for each in all_of_the_job if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_a_process_that_dies_ends_the_others_and_the_record_says_so(tmp_path: Path) -> None:
    command, run_dir = start([*TWO, "train.epochs=200"], tmp_path), tmp_path / "run"
    assert command.wait_until((run_dir / PROGRESS_FILE).exists), command.output
    ranks = [each for each in psutil.Process(command.process.pid).children(recursive=True) if _rank_of(each) == "1"]
    ranks[0].send_signal(signal.SIGKILL)
    assert command.wait() == 7, command.output
    record = read_record(run_dir)
    assert record.status in ("FAILED", "KILLED")  # whoever comes first: a lost connection, or the launcher's signal
    assert "one of the run's 2 processes died without a word" in (record.reason or "")
    assert "Traceback" not in command.output


def test_ctrl_c_ends_all_processes_in_order(tmp_path: Path) -> None:
    command, run_dir = start([*TWO, "train.epochs=200"], tmp_path), tmp_path / "run"
    assert command.wait_until((run_dir / PROGRESS_FILE).exists), command.output
    below = psutil.Process(command.process.pid).children(recursive=True)
    os.kill(command.process.pid, signal.SIGINT)
    assert command.wait() == 130
    assert read_record(run_dir).status == "KILLED"
    assert not [each for each in below if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def _in_one_process(run_dir: Path, tmp_path: Path) -> dict[str, Any]:
    """accuracy.json's figures of best.pt, evaluated by this process alone."""
    plan = read_plan(run_dir)
    yolo, recorder = YOLO(str(best_checkpoint(run_dir))), PredictionRecorder()
    validators: list[Any] = []
    yolo.add_callback("on_val_start", recorder.accompany)
    yolo.add_callback("on_val_end", validators.append)
    yolo.val(
        data=str(prepare(plan.dataset).yaml_path), imgsz=plan.train.imgsz, batch=plan.hardware.batch, device="cpu",
        plots=False, project=str(tmp_path), name="val",
    )  # fmt: skip
    (validator,) = validators
    figures, best = class_figures(validator.metrics), best_confidence(validator.metrics)
    predictions = recorder.predictions(dict(validator.names))
    return summarise(predictions, figures=figures, best=best, epochs=[], curves={"mAP50-95": []}).content


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [each for key in sorted(value) for each in _flat(value[key])]
    return [each for item in value for each in _flat(item)] if isinstance(value, list | tuple) else [value]


def _rank_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("RANK") if "sdpa_exp.launch.worker" in process.cmdline() else None
    except psutil.Error:
        return None
