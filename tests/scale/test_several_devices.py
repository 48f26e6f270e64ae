"""hardware.devices=2 on a CPU: Ultralytics' road for several GPUs, over gloo."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from sdpa_exp.config.plan import read_plan
from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import PROGRESS_FILE, best_checkpoint
from sdpa_exp.runs.record import read_record
from tests.faults.processes import TINY, start, unreadable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

TWO = (*TINY, "hardware.devices=2", "attention=sdpa", "tracking=none", "hydra.run.dir=run")


def test_two_processes_train_one_model_and_each_is_attested(tmp_path: Path) -> None:
    command, run_dir = start(TWO, tmp_path), tmp_path / "run"
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
    assert record.metrics["F1"] is None
    assert "spread over 2 processes" in record.unmeasured["F1"]
    assert best_checkpoint(run_dir).exists()
    epochs = [event for event in read_events(run_dir) if event["event"] == "epoch"]
    assert [epoch["num_images"] for epoch in epochs] == [8, 8]
    assert read_plan(run_dir).group()["hardware"]["devices"] == 2
    assert unreadable(run_dir) == []
    assert "Traceback" not in command.output


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


def _rank_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("RANK") if "sdpa_exp.launch.worker" in process.cmdline() else None
    except psutil.Error:
        return None
