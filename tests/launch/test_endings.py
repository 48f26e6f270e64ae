"""However a run ends (Ctrl-C, a dead parent, a dead worker), what it measured stays and the record says how."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.record import read_record
from tests.launch.conftest import TINY
from tests.runs.folders import whole_run

LONG = (*TINY, "train.epochs=500", "tracking=none", "train.plots=false", "hydra.run.dir=run")
PATIENCE_S = 180.0


@pytest.fixture
def long_run(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a run that would take long, and waits for its first epoch."""

    def start(*more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sdpa_exp", *LONG, *more]
        parent = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        wait_until(lambda: bool(workers_of(parent)))  # what the folder held before is gone by then
        wait_until(lambda: num_epochs(tmp_path / "run") >= 1)
        return parent

    return start


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a run by name; not the locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def num_epochs(run_dir: Path) -> int:
    return sum(event["event"] == "epoch" for event in read_events(run_dir))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError("the condition did not come true")
        time.sleep(0.2)


def workers_of(parent: subprocess.Popen[str]) -> list[psutil.Process]:
    return [p for p in psutil.Process(parent.pid).children() if "sdpa_exp.launch.worker" in p.cmdline()]


def worker_of(parent: subprocess.Popen[str]) -> psutil.Process:
    (worker,) = workers_of(parent)
    return worker


@pytest.mark.parametrize(("number", "words"), [(signal.SIGINT, "Ctrl-C (SIGINT)"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_ends_the_worker_keeps_what_was_measured_and_is_called_what_it_was(
    number: signal.Signals, words: str, long_run: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    parent = long_run()
    worker = worker_of(parent)
    parent.send_signal(number)
    output, _ = parent.communicate(timeout=PATIENCE_S)
    assert parent.returncode == 128 + number, output
    assert output.splitlines()[-2:] == [
        f"Ended by {words}. What was measured so far is kept in run",
        "To go on:  python -m sdpa_exp resume=run",
    ]
    assert not worker.is_running()
    record = read_record(tmp_path / "run")
    assert (record.status, record.exit_code) == ("KILLED", 128 + number)
    assert record.reason == f"the run was ended by {words}; what it had measured is kept."
    assert record.phases_s["warmup"] > 0
    assert "Traceback" not in output


def test_the_death_of_the_parent_ends_the_worker_in_order(
    long_run: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    parent = long_run()
    worker = worker_of(parent)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate(timeout=PATIENCE_S)
    worker.wait(timeout=PATIENCE_S)
    record = read_record(tmp_path / "run")
    assert record.status == "KILLED"
    assert "ended by the end of the process that started it" in str(record.reason)


def test_a_worker_that_dies_without_a_word_is_recorded_by_the_parent(
    long_run: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    whole_run(tmp_path / "run", arm="stock")  # what an earlier run left must not speak for this one
    before = contents(tmp_path / "run")
    parent = long_run("run.overwrite=true")
    worker_of(parent).kill()
    output, _ = parent.communicate(timeout=PATIENCE_S)
    assert contents(tmp_path / "run_old") == before
    record = read_record(tmp_path / "run")
    assert parent.returncode == record.exit_code != 0
    assert record.status == "KILLED"
    assert re.search(
        "ended by signal SIGKILL (from another process|[(]often the system ran out of memory)", str(record.reason)
    )
    assert "worker.log" in str(record.reason)
    assert str(record.reason) in output.replace("\n", "")


def test_a_run_folder_in_use_is_refused_and_nothing_is_written_there(
    long_run: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    parent = long_run()
    plan = (tmp_path / "run" / "plan.yaml").read_bytes()
    seconds = []
    try:
        for mode in ((), ("run.overwrite=true",), ("hydra.sweep.dir=.", "hydra.sweep.subdir=run", "-m")):
            command = [sys.executable, "-m", "sdpa_exp", *LONG, "attention=math", *mode]
            seconds.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False))
    finally:
        parent.send_signal(signal.SIGINT)
        parent.communicate(timeout=PATIENCE_S)
    for second in seconds:
        assert second.returncode == 7
        assert "run is in use by another sdpa_exp process, and nothing was written there" in second.stderr
        assert "Traceback" not in second.stderr
    assert (tmp_path / "run" / "plan.yaml").read_bytes() == plan
    assert [event["event"] for event in read_events(tmp_path / "run")].count("run_started") == 1
    assert not (tmp_path / "run_old").exists()
