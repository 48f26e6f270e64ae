"""Real trainings against a real MLflow server that is killed, comes back, stays away, or takes 5 s for a request."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient

from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.record import read_record
from tests.launch.conftest import ROOT, TINY, sdpa_exp
from tests.launch.test_endings import num_epochs, wait_until
from tests.tracking.server import free_port, mlflow_server
from tests.tracking.slow_proxy import slow_proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow  # whole trainings, and servers that take seconds to start
QUICK = (*TINY, "train.plots=false", "tracking=server", "tracking.timeout_s=20")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "server" / "mlflow.db"
    path.parent.mkdir()
    MlflowClient(f"sqlite:///{path}")  # makes the schema, so that the server starts sooner
    return path


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start the command line without waiting for it."""
    return subprocess.Popen(
        [sys.executable, "-m", "sdpa_exp", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def has_sent_events(run_dir: Path) -> Callable[[], bool]:
    def asked() -> bool:
        try:
            stores = json.loads((run_dir / "tracking.json").read_text(encoding="utf-8"))["stores"]
        except (OSError, ValueError):
            return False
        return any(store["events_offset"] > 0 for store in stores.values())

    return asked


def shown(database: Path) -> dict[str, Any]:
    """Runs by name, with the store's own client."""
    client = MlflowClient(f"sqlite:///{database}")
    return {
        run.info.run_name: run for run in client.search_runs([client.get_experiment_by_name("smoke").experiment_id])
    }


def assert_epochs_once_and_in_order(database: Path, run: Any, run_dir: Path) -> None:
    """Every epoch of the event log, with the event log's times, and nothing else."""
    epochs = [event for event in read_events(run_dir) if event["event"] == "epoch"]
    assert epochs
    client = MlflowClient(f"sqlite:///{database}")
    for name in ("mAP50-95", "train/box_loss", "epoch/train_s"):
        history = client.get_metric_history(run.info.run_id, name)
        assert [(m.step, m.timestamp) for m in history] == [
            (event["epoch"], round(event["time_unix_s"] * 1000)) for event in epochs
        ], name


def test_a_server_killed_and_restarted_during_a_sweep_has_all_of_it_in_the_end(database: Path, tmp_path: Path) -> None:
    port = free_port()
    sweep_dir = tmp_path / "sweep"
    uri = f"tracking.uri=http://127.0.0.1:{port}"
    line = (*QUICK, "train.epochs=3", uri, f"hydra.sweep.dir={sweep_dir}", "attention=stock,sdpa", "-m")
    first, second = sweep_dir / "0_stock_seed0", sweep_dir / "1_sdpa_seed0"
    with ExitStack() as until_the_end:
        with mlflow_server(database.parent, database, port):
            sweep = start(*line, cwd=tmp_path)
            wait_until(lambda: num_epochs(first) >= 1 and has_sent_events(first)())
        wait_until((second / "worker.log").exists)  # the first run has ended meanwhile, without its server
        until_the_end.enter_context(mlflow_server(database.parent, database, port))
        output, _ = sweep.communicate(timeout=600)
        assert sweep.returncode == 0, output
        sent = sdpa_exp("task=sync", "tracking=server", uri, "sync.folder=sweep", cwd=tmp_path)
        assert sent.returncode == 0, sent.stderr
        if "is in MLflow yet" not in output:
            assert "nothing was missing in the store" in sent.stdout
    runs = shown(database)
    assert {name: run.info.status for name, run in runs.items()} == {
        "sweep stock, sdpa x 1 seed": "FINISHED",
        "stock seed 0": "FINISHED",
        "sdpa seed 0": "FINISHED",
    }
    assert_epochs_once_and_in_order(database, runs["stock seed 0"], first)
    assert_epochs_once_and_in_order(database, runs["sdpa seed 0"], second)
    assert runs["stock seed 0"].data.tags["mlflow.parentRunId"] == runs["sweep stock, sdpa x 1 seed"].info.run_id


def test_a_server_that_stays_away_fails_no_run_and_the_printed_line_sends_it_later_once(
    database: Path, tmp_path: Path
) -> None:
    port = free_port()
    run_dir = tmp_path / "run"
    uri = f"tracking.uri=http://127.0.0.1:{port}"
    with mlflow_server(database.parent, database, port):
        run = start(*QUICK, "train.epochs=4", uri, "hydra.run.dir=run", cwd=tmp_path)
        wait_until(lambda: num_epochs(run_dir) >= 1 and has_sent_events(run_dir)())
    output, _ = run.communicate(timeout=600)
    assert run.returncode == 0, output
    assert read_record(run_dir).status == "FINISHED"
    assert num_epochs(run_dir) == 4
    assert output.count("what can't be sent waits in its folder") == 1
    assert "tracking: not all of this run is in MLflow yet" in output
    command = shlex.split(output.partition("When MLflow answers:\n")[2].splitlines()[0])
    assert command[:3] == ["python", "-m", "sdpa_exp"]
    away = sdpa_exp(*command[3:], cwd=tmp_path)
    assert away.returncode == 8
    assert "can't be reached (Connection refused): start it" in away.stderr
    with mlflow_server(database.parent, database, port):
        later, again = sdpa_exp(*command[3:], cwd=tmp_path), sdpa_exp(*command[3:], cwd=tmp_path)
    assert (later.returncode, again.returncode) == (0, 0), later.stderr + again.stderr
    assert "requests sent" in later.stdout
    assert "nothing was missing in the store" in again.stdout
    (found,) = shown(database).values()
    assert found.info.status == "FINISHED"
    assert_epochs_once_and_in_order(database, found, run_dir)


def test_a_server_that_takes_5_s_for_a_request_slows_neither_a_training_nor_the_start_of_the_next(
    database: Path, tmp_path: Path
) -> None:
    sweep_dir = tmp_path / "sweep"
    with mlflow_server(database.parent, database, port := free_port()), slow_proxy(port, delay_s=5.0) as (url, passed):
        line = (*QUICK, "train.epochs=3", f"tracking.uri={url}", f"hydra.sweep.dir={sweep_dir}")
        sweep = start(*line, "attention=stock,sdpa", "-m", cwd=tmp_path)
        assert sweep.stdout is not None
        lines = [(time.time(), text) for text in sweep.stdout]
        output = "".join(text for _, text in lines)
        assert sweep.wait(timeout=60) == 0, output
    second_started_unix_s = next(at for at, text in lines if text.startswith("job 2/2") and "starting" in text)
    epochs = [
        e for job in ("0_stock_seed0", "1_sdpa_seed0") for e in read_events(sweep_dir / job) if e["event"] == "epoch"
    ]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 1, 2, 3]
    pending = [p for p in passed if any(p.came_unix_s < e["time_unix_s"] < p.answered_unix_s for e in epochs)]
    assert pending, "no epoch ended while a request was pending: nothing was shown"
    uploads = [p for p in passed if p.what.startswith("PUT") and p.came_unix_s > second_started_unix_s]
    assert uploads, "the second run waited for the files of the first"
    assert "is in MLflow yet" in output  # 20 s are not enough for it, and it is said
    with mlflow_server(database.parent, database, port):
        sent = sdpa_exp(
            "task=sync", f"tracking.uri=http://127.0.0.1:{port}", "tracking=server", "sync.folder=sweep", cwd=tmp_path
        )
    assert sent.returncode == 0, sent.stderr
    runs = shown(database)
    assert sorted(run.info.status for run in runs.values()) == ["FINISHED"] * 3
    assert_epochs_once_and_in_order(database, runs["stock seed 0"], sweep_dir / "0_stock_seed0")
    assert_epochs_once_and_in_order(database, runs["sdpa seed 0"], sweep_dir / "1_sdpa_seed0")
