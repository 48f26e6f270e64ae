"""hydra/launcher=joblib: the jobs of a sweep side by side, and what is left when they are interrupted or die."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil
import pytest
from mlflow import MlflowClient

from sdpa_exp.runs.record import read_record
from sdpa_exp.runs.sweep import read_sweep
from tests.faults.processes import TINY, Command, finished, learnt, start, unreadable

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher is not installed")
pytestmark = pytest.mark.slow

JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
ARMS = ("attention=stock,sdpa", "seed=0,42", "hydra.sweep.dir=sweep", "-m")


def _statuses(sweep_dir: Path) -> list[str]:
    return [read_record(job.run_dir).status for job in read_sweep(sweep_dir).jobs if job.run_dir.exists()]


def _in_store(cwd: Path) -> set[str]:
    """The states that MLflow shows."""
    client = MlflowClient(tracking_uri=f"sqlite:///{cwd}/multirun/mlflow.db")
    (experiment,) = (each for each in client.search_experiments() if each.name == "smoke")
    return {run.info.status for run in client.search_runs([experiment.experiment_id])}


def _when_two_train(cwd: Path) -> Command:
    command = start([*TINY, "train.epochs=200", *JOBLIB, *ARMS], cwd)
    begun = cwd / "sweep"
    assert command.wait_until(lambda: len(list(begun.glob("*/train/results.csv"))) == 2)
    return command


def test_four_runs_side_by_side_learn_what_they_learn_one_after_the_other(tmp_path: Path) -> None:
    for name, more in (("basic", ()), ("joblib", JOBLIB)):
        (tmp_path / name).mkdir()
        command = start([*TINY, *more, *ARMS], tmp_path / name)
        assert command.wait() == 0, command.output
        assert len(finished(tmp_path / name / "sweep")) == 4
    assert learnt(tmp_path / "joblib" / "sweep") == learnt(tmp_path / "basic" / "sweep")
    assert "runs-overlapped" in (tmp_path / "joblib" / "sweep" / "comparison.txt").read_text(encoding="utf-8")


def test_ctrl_c_leaves_records_and_the_line_that_goes_on(tmp_path: Path) -> None:
    command = _when_two_train(tmp_path)
    command.process.send_signal(signal.SIGINT)
    assert command.wait() == 130
    assert "To go on:  python -m sdpa_exp resume=sweep" in command.output
    assert "Traceback" not in command.output
    assert _statuses(tmp_path / "sweep") == ["KILLED", "KILLED"]
    assert unreadable(tmp_path / "sweep") == []
    assert _in_store(tmp_path) == {"KILLED"}


def test_a_process_that_is_killed_ends_the_sweep_in_a_sentence_with_every_run_recorded(tmp_path: Path) -> None:
    command = _when_two_train(tmp_path)
    loky = [each for each in psutil.Process(command.process.pid).children() if "LokyProcess-1" in str(each.cmdline())]
    loky[0].kill()
    assert command.wait() == 7
    assert "the launcher ended this sweep before all of its jobs had run: TerminatedWorkerError" in command.output
    assert "Traceback" not in command.output
    assert set(_statuses(tmp_path / "sweep")) == {"KILLED"}
    assert _in_store(tmp_path) == {"KILLED", "FAILED"}  # the runs, and the sweep
