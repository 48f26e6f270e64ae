"""What the tests of launchers share: a sweep of four tiny runs, and what it leaves in folders and in MLflow."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil
from mlflow import MlflowClient

from sdpa_exp.runs.record import read_record_if_any
from sdpa_exp.runs.sweep import read_sweep
from tests.faults.processes import TINY, Command, finished, learnt, start, unreadable

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


def learns_as_one_after_the_other(cwd: Path, launcher: Sequence[str]) -> Command:
    """The sweep without and with a launcher, in cwd/basic and cwd/launched; returns the second command."""
    for name, more in (("basic", ()), ("launched", launcher)):
        (cwd / name).mkdir()
        command = start([*TINY, *more, *ARMS], cwd / name)
        assert command.wait() == 0, command.output
        assert len(finished(cwd / name / "sweep")) == 4
    assert learnt(cwd / "launched" / "sweep") == learnt(cwd / "basic" / "sweep")
    return command


def is_interrupted_in_order(command: Command, cwd: Path) -> None:
    """Ctrl-C in a sweep of which two runs are at work: records, a line that goes on, and no run left at work."""
    command.process.send_signal(signal.SIGINT)
    assert command.wait() == 130
    assert "To go on:  python -m sdpa_exp resume=sweep" in command.output
    assert "Traceback" not in command.output
    assert statuses(cwd / "sweep") == ["KILLED", "KILLED", None, None]
    assert unreadable(cwd / "sweep") == []
    assert in_store(cwd) == {"KILLED"}


def processes_of(command: Command, word: str) -> list[psutil.Process]:
    """The processes below a command that have a word in their command line, in the order in which they began."""
    below = psutil.Process(command.process.pid).children(recursive=True)
    return sorted((each for each in below if word in " ".join(each.cmdline())), key=lambda each: each.create_time())
