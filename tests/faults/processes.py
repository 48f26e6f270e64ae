"""Commands of sdpa_exp that are hit while they run, and what they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.json_lines import read_lines
from sdpa_exp.runs.record import Record, read_record
from sdpa_exp.runs.sweep import read_sweep

ROOT = Path(__file__).parents[2]
TINY = (
    "experiment=smoke", "hardware=cpu", "hardware.batch=4", "dataset.num_train_images=8", "dataset.num_val_images=4",
    "train.imgsz=64", "train.epochs=2", "train.plots=false",
)  # fmt: skip
SWEEP = (*TINY, "attention=stock,sdpa", "seed=0,42", "-m")
PATIENCE_S = 3600.0


@dataclass(kw_only=True)
class Command:
    """A command that runs; `output` is what its screen shows once it has ended."""

    process: subprocess.Popen[bytes]
    screen: Path
    started_s: float
    wall_s: float = 0.0  # once it was waited for

    @property
    def output(self) -> str:
        """The screen so far."""
        return self.screen.read_text(encoding="utf-8", errors="replace")

    def workers(self) -> list[psutil.Process]:
        """The processes of runs that it has started and that live."""
        try:
            children = psutil.Process(self.process.pid).children()
            return [child for child in children if "sdpa_exp.launch.worker" in " ".join(child.cmdline())]
        except psutil.NoSuchProcess:
            return []

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = self.process.wait(PATIENCE_S)
        self.wall_s = self.wall_s or time.monotonic() - self.started_s
        return code

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Whether the condition came true before the command ended."""
        while self.process.poll() is None:
            if condition():
                return True
            time.sleep(0.05)
        return condition()

    def wait_for(self, seconds: float) -> bool:
        """Whether the command still runs after that many seconds."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def send(self, who: str, number: signal.Signals) -> None:
        """Send a signal to the parent, the worker or both; the worker first, which could not be found afterwards."""
        workers = self.workers() if who in ("worker", "both") else []
        for worker in workers:
            worker.send_signal(number)
        if who in ("parent", "both"):
            self.process.send_signal(number)


def start(arguments: Sequence[str], cwd: Path, *, before: Sequence[str] = (), **variables: str) -> Command:
    """Start a command with a screen that is a file; `before` is what starts it in turn, such as `sh -c ...`."""
    screen = cwd / f"screen_{time.monotonic_ns()}.txt"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160", **variables}
    with screen.open("wb") as file:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "sdpa_exp", *arguments],
            cwd=cwd, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    return Command(process=process, screen=screen, started_s=time.monotonic())


def wait_for_orphans(folder: Path) -> float:
    """Seconds until no worker of a run below the folder is left; it ends by itself once its parent is gone."""
    since_s = time.monotonic()
    while any(_is_worker_below(process, folder) for process in psutil.process_iter(["cmdline"])):
        time.sleep(0.1)
    return time.monotonic() - since_s


def finished(sweep_dir: Path) -> dict[tuple[str, int | None], Record]:
    """(arm, seed) -> record of the runs of a sweep that have finished."""
    found = {}
    for job in read_sweep(sweep_dir).jobs:
        if (job.run_dir / "result.json").exists():
            record = read_record(job.run_dir)
            if record.status == "FINISHED":
                found[job.arm, job.seed] = record
    return found


def learnt(sweep_dir: Path) -> dict[str, Any]:
    """What a CPU computes to the bit: curves, final figures and weights of every finished run."""
    found = {}
    for (arm, seed), record in finished(sweep_dir).items():
        run_dir = next(job.run_dir for job in read_sweep(sweep_dir).jobs if (job.arm, job.seed) == (arm, seed))
        epochs = [event["metrics"] for event in read_events(run_dir) if event["event"] == "epoch"]
        found[f"{arm} seed {seed}"] = {
            "mAP50": record.metrics["mAP50"],
            "mAP50-95": record.metrics["mAP50-95"],
            "epochs": epochs,
            "digests": record.digests,
        }
    return found


def unreadable(folder: Path) -> list[str]:
    """Files below a folder that a reader would stumble over: half-written JSON, event logs with holes, cut curves."""
    wrong = []
    for path in folder.rglob("*.json"):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            wrong.append(f"{path}: {error}")
    for path in folder.rglob("events.jsonl"):
        numbers = [line.content["seq"] for line in read_lines(path)]
        if numbers != list(range(len(numbers))):
            wrong.append(f"{path}: events {numbers}")
    for path in folder.rglob("results.csv"):
        rows = path.read_text(encoding="utf-8").splitlines()
        counts = {row.count(",") for row in rows[:-1]}
        if len(counts) > 1:
            wrong.append(f"{path}: {counts} columns")
    return wrong


def store_problems(cwd: Path, sweep_dir: Path) -> list[str]:
    """What MLflow shows otherwise than the folders say: runs left RUNNING, runs that stand twice or are missing."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{cwd / 'multirun' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("smoke")
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    here = [run for run in runs if str(sweep_dir) in run.data.tags.get("run_dir", "")]
    wrong = [f"{run.info.run_name} is {run.info.status}" for run in runs if run.info.status == "RUNNING"]
    counted = sorted(run.info.run_name for run in here if "sdpa_exp.attempt" not in run.data.tags)
    expected = sorted(f"{arm} seed {seed}" for arm, seed in finished(sweep_dir))
    return wrong if counted == expected else [*wrong, f"MLflow counts {counted}, the folder {expected}"]


def last_lines(text: str, count: int = 2) -> str:
    """The end of a screen."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])


def _is_worker_below(process: psutil.Process, folder: Path) -> bool:
    words: Iterator[str] = iter(process.info["cmdline"] or ())
    return "sdpa_exp.launch.worker" in words and any(word.startswith(str(folder)) for word in words)
