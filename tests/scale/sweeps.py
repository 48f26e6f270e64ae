"""What the tests of launchers share: a sweep of four tiny runs, and what it leaves in folders and in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
from mlflow import MlflowClient

from sdpa_exp.runs.record import read_record_if_any
from sdpa_exp.runs.sweep import read_sweep
from tests.faults.processes import TINY, Command, start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ARMS = ("attention=stock,sdpa", "seed=0,42", "hydra.sweep.dir=sweep", "-m")
SHARED_CPU = "allow_shared_device=true"


def statuses(sweep_dir: Path) -> list[str | None]:
    """Of the sweep's runs, in order; None for one without a record."""
    records = [read_record_if_any(job.run_dir) for job in read_sweep(sweep_dir).jobs]
    return [None if record is None else record.status for record in records]


def in_store(cwd: Path) -> set[str]:
    """The states that MLflow shows, of the runs and of the sweep."""
    client = MlflowClient(tracking_uri=f"sqlite:///{cwd}/multirun/mlflow.db")
    (experiment,) = (each for each in client.search_experiments() if each.name == "smoke")
    return {run.info.status for run in client.search_runs([experiment.experiment_id])}


def when_training(cwd: Path, launcher: Sequence[str], num: int, *more: str) -> Command:
    """A sweep of long trainings, from the moment on when so many of them have finished an epoch."""
    command = start([*TINY, "train.epochs=200", *launcher, *more, *ARMS], cwd)
    assert command.wait_until(lambda: len(list((cwd / "sweep").glob("*/train/results.csv"))) >= num), command.output
    return command


def processes_of(command: Command, word: str) -> list[psutil.Process]:
    """The processes below a command that have a word in their command line, in the order in which they began."""
    below = psutil.Process(command.process.pid).children(recursive=True)
    return sorted((each for each in below if word in " ".join(each.cmdline())), key=lambda each: each.create_time())
