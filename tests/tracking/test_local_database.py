"""A local store whose file is half made, locked, moved with its folder, or lies where its path has odd characters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import StoreAway
from sdpa_exp.tracking.location import sqlite_uri
from sdpa_exp.tracking.tracker import Tracker, make_tracker
from tests.runs.folders import whole_run
from tests.tracking.conftest import all_runs, only_run

if TYPE_CHECKING:
    from collections.abc import Iterator

MAKES_A_STORE = """
import sys
from pathlib import Path
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.tracking.tracker import make_tracker
config = TrackingConfig(name="local", kind="mlflow", uri=f"sqlite:///{sys.argv[1]}", timeout_s=20.0)
make_tracker(config, experiment="handmade").sync(Path(sys.argv[2]))
"""
HOLDS_A_LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(600)
"""


def tracker_of(database: Path, timeout_s: float = 20.0) -> Tracker:
    config = TrackingConfig(name="local", kind="mlflow", uri=f"sqlite:///{database}", timeout_s=timeout_s)
    return make_tracker(config, experiment="handmade")


def files_of(client: Any, run: Any) -> set[str]:
    return {artifact.path for artifact in client.list_artifacts(run.info.run_id)}


@pytest.mark.slow  # makes a schema twice
def test_a_store_whose_creation_was_killed_is_made_by_the_next_run(tmp_path: Path) -> None:
    database, run_dir = tmp_path / "mlflow.db", tmp_path / "run"
    whole_run(run_dir)
    command = [sys.executable, "-c", MAKES_A_STORE, str(database), str(run_dir)]
    process = subprocess.Popen(command)
    while not (tmp_path / ".mlflow.db.draft").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not database.exists()
    tracker = tracker_of(database)
    tracker.check()
    tracker.sync(run_dir)
    assert only_run(MlflowClient(f"sqlite:///{database}")).info.status == "FINISHED"
    assert not (tmp_path / ".mlflow.db.draft").exists()


@pytest.fixture
def writer(database: Path) -> Iterator[int]:
    """The id of another process, which keeps the store locked."""
    command = [sys.executable, "-c", HOLDS_A_LOCK, str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_locked_store_is_waited_for_and_then_its_writer_is_named(database: Path, writer: int) -> None:
    with pytest.raises(StoreAway, match=rf"mlflow\.db is locked: process {writer} \(.*\) writes into it\. Wait for it"):
        tracker_of(database, timeout_s=0.1).check()


def test_what_a_locked_store_did_not_take_is_sent_once_it_is_free(database: Path, client: Any, tmp_path: Path) -> None:
    whole_run(tmp_path / "run")
    command = [sys.executable, "-c", HOLDS_A_LOCK.replace("600", "2"), str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        tracker = tracker_of(database)
        tracker.follow(tmp_path / "run")
        assert tracker.finish(tmp_path / "run", 60)
        tracker.close()
    assert only_run(client).info.status == "FINISHED"


def test_a_store_that_was_moved_with_its_folder_keeps_its_runs_and_files_there(
    tmp_path: Path, schema: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = tmp_path / "project", tmp_path / "moved"
    old.mkdir()
    (old / "mlflow.db").write_bytes(schema.read_bytes())
    whole_run(old / "first", arm="flash")
    tracker_of(old / "mlflow.db").sync(old)
    old.rename(new)
    _artifact_repos_cache.clear()  # as another process has it
    whole_run(new / "second", arm="sdpa")
    tracker_of(new / "mlflow.db").sync(new)
    assert not old.exists(), "the old place was filled"
    assert f"the MLflow store was moved or copied: files of 1 runs are in {new}/mlartifacts" in caplog.text
    client = MlflowClient(f"sqlite:///{new}/mlflow.db")
    assert len(all_runs(client)) == 2
    first, second = only_run(client, arm="flash"), only_run(client, arm="sdpa")
    assert files_of(client, first) == files_of(client, second) >= {"plan.yaml", "result.json", "weights"}
    caplog.clear()
    assert tracker_of(new / "mlflow.db").sync(new) == 0
    assert "moved" not in caplog.text


@pytest.mark.parametrize("name", ["spaces and #1", "100% of %20", "why?", "plan ümläut 日本"])
def test_odd_characters_in_the_path_of_a_store_and_a_run_folder_are_nothing_special(
    name: str, schema: Path, tmp_path: Path
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(schema.read_bytes())
    whole_run(folder / "a run")
    tracker = tracker_of(folder / "mlflow.db")
    tracker.check()
    tracker.sync(folder)
    assert tracker.sync(folder) == 0
    client = MlflowClient(sqlite_uri(folder / "mlflow.db"))
    assert "result.json" in files_of(client, only_run(client))
    assert [path.name for path in (folder / "mlartifacts").rglob("result.json")] == ["result.json"]
    assert sorted(os.listdir(tmp_path)) == [name]
