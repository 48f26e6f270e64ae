"""What an MLflow store lacks of a run, or has twice: held against the run folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import TRACKING_FILE, read_json
from sdpa_exp.runs.record import read_record
from sdpa_exp.tracking.artifacts import run_artifacts
from sdpa_exp.tracking.logged_model import Checkpoints
from tests.faults.processes import Command, start

_CURVES = ("mAP50-95", "train/box_loss", "epoch/train_s")


def lacking(uri: str, experiment: str, *run_dirs: Path) -> list[str]:
    """Runs, statuses, epochs and files that are missing or stand twice; empty where everything is there once."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    runs = {} if found is None else {run.info.run_id: run for run in client.search_runs([found.experiment_id])}
    if runs.keys() != {run_id_of(run_dir) for run_dir in run_dirs}:
        return [f"the runs {list(runs)} in place of {[run_id_of(run_dir) for run_dir in run_dirs]}"]
    return [sentence for run_dir in run_dirs for sentence in _lacking(client, runs[run_id_of(run_dir)], run_dir)]


def run_id_of(run_dir: Path) -> str | None:
    """The MLflow run that the folder has, as far as it knows."""
    content = read_json(run_dir / TRACKING_FILE) or {"stores": {}}
    return next((store["run_id"] for store in content["stores"].values()), None)


def around_s(command: Command, run_dir: Path) -> float:
    """Wall seconds of a command that has ended, but for those of its worker: what the store can have cost."""
    started = read_events(run_dir)[0]["time_unix_s"]
    ended = read_events(run_dir)[-1]["time_unix_s"]
    return command.wall_s - float(ended - started)


def send_later(command: Command, cwd: Path) -> list[str]:
    """Type the line that the screen names, twice; what is wrong with that."""
    line = command.output.partition("When MLflow answers:\n")[2].splitlines()
    if not line:
        return []
    arguments = shlex.split(line[0])[3:]
    first, second = start(arguments, cwd), None
    if first.wait() != 0:
        return [f"the line ended with an error: {first.output}"]
    second = start(arguments, cwd)
    second.wait()
    return [] if "nothing was missing in the store" in second.output else [f"sent twice: {second.output}"]


def said_of_mlflow(screen: str) -> list[str]:
    """The lines about the store that a run with a healthy one doesn't have, and the first of the closing block."""
    lines = [line.strip() for line in screen.splitlines()]
    usual = ("run folder:", "see the runs:", "then open:", "python -m sdpa_exp task=sync")
    return [line for line in lines if "MLflow" in line and not line.startswith(usual)]


def _lacking(client: Any, run: Any, run_dir: Path) -> list[str]:
    status = read_record(run_dir).status
    wrong = [] if run.info.status == status else [f"the status is {run.info.status}, not {status}"]
    epochs = [event for event in read_events(run_dir) if event["event"] == "epoch"]
    expected = [(event["epoch"], round(event["time_unix_s"] * 1000)) for event in epochs]
    for curve in _CURVES:
        history = [(point.step, point.timestamp) for point in client.get_metric_history(run.info.run_id, curve)]
        wrong += [] if history == expected else [f"{curve} has {history}, not {expected}"]
    files = set(_files(client, run.info.run_id))
    checkpoints = Checkpoints(as_model=True)
    names = [artifact.name for artifact in run_artifacts(run_dir, with_checkpoint=checkpoints.is_file(run_dir))]
    if checkpoints.is_model(run_dir):
        outputs = client.get_run(run.info.run_id).outputs
        models = outputs.model_outputs if outputs else []
        wrong += [] if len(models) == 1 else [f"{len(models)} models, not 1"]
    return wrong + [f"no file {name}" for name in names if name not in files]


def _files(client: Any, run_id: str, folder: str | None = None) -> list[str]:
    found: list[str] = []
    for entry in client.list_artifacts(run_id, folder):
        found += _files(client, run_id, entry.path) if entry.is_dir else [entry.path]
    return found
