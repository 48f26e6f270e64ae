"""hydra/launcher=ray_sdpa: the jobs of a sweep on a Ray of its own, and on a cluster of two nodes of which one dies."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import psutil
import pytest

from sdpa_exp.runs.attempts import earlier_attempts
from sdpa_exp.runs.sweep import read_sweep
from tests.faults.processes import ROOT, TINY, start
from tests.scale.sweeps import (
    ARMS,
    SHARED_CPU,
    in_store,
    is_interrupted_in_order,
    learns_as_one_after_the_other,
    processes_of,
    statuses,
    when_training,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.slow

RAY = ("hydra/launcher=ray_sdpa",)
BOTH = (*RAY, "hydra.launcher.num_cpus=1", "hydra.launcher.init.num_cpus=2", SHARED_CPU)
JOB = "ray::_job"
PATIENCE_S = 120


def test_runs_side_by_side_on_a_cpu_are_refused_unless_told(tmp_path: Path) -> None:
    command = start([*TINY, *BOTH[:-1], *ARMS], tmp_path)
    assert command.wait() == 2
    assert "Leave hydra.launcher.num_cpus out; or, where accuracy is all you ask, add allow_shared" in command.output
    assert not (tmp_path / "sweep").exists()


def test_four_runs_learn_what_they_learn_one_after_the_other(tmp_path: Path) -> None:
    command = learns_as_one_after_the_other(tmp_path, BOTH)
    assert "task=status status.folder=sweep" in command.output
    assert "epoch 2/2" in (tmp_path / "launched" / "sweep" / ".ray" / "job_1.log").read_text(encoding="utf-8")


def test_ctrl_c_leaves_records_and_the_line_that_goes_on(tmp_path: Path) -> None:
    command = when_training(tmp_path, BOTH, 2)
    below = psutil.Process(command.process.pid).children(recursive=True)
    is_interrupted_in_order(command, tmp_path)
    assert psutil.wait_procs(below, PATIENCE_S)[1] == [], "Ray ends with the sweep"


def test_a_job_that_is_killed_is_recorded_the_others_are_waited_for_and_resume_repeats_it(tmp_path: Path) -> None:
    command = when_training(tmp_path, BOTH, 2, "train.epochs=20")
    processes_of(command, JOB)[0].kill()
    assert command.wait() == 143  # the run's own: the end of the process that watched it
    assert "1 of the jobs ended without a word: job " in command.output
    assert "Traceback" not in command.output
    assert sorted(map(str, statuses(tmp_path / "sweep"))) == ["FINISHED", "FINISHED", "FINISHED", "KILLED"]
    assert in_store(tmp_path) == {"FINISHED", "KILLED", "FAILED"}
    again = start(["resume=sweep"], tmp_path)
    assert again.wait() == 0, again.output
    assert statuses(tmp_path / "sweep") == ["FINISHED"] * 4


@contextmanager
def node(cwd: Path, *arguments: str) -> Iterator[psutil.Process]:
    """One node of a cluster on this machine's loopback, with a core, in a working directory of its own."""
    cwd.mkdir()
    log = cwd / "ray.log"
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1", "--num-gpus=0",
        "--object-store-memory=80000000", "--disable-usage-stats", *arguments,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as file:
        process = psutil.Popen(command, cwd=cwd, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        deadline_s = time.monotonic() + PATIENCE_S
        while "Ray runtime started" not in (text := log.read_text(encoding="utf-8")):
            assert process.is_running(), text
            assert time.monotonic() < deadline_s, text
            time.sleep(0.2)
        yield process
    finally:
        below = process.children(recursive=True) if process.is_running() else []
        process.terminate()
        for each in psutil.wait_procs([process, *below], PATIENCE_S)[1]:
            each.kill()


@dataclass(frozen=True, kw_only=True)
class Cluster:
    overrides: tuple[str, ...]
    head: psutil.Process
    second: psutil.Process


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Two nodes, and the overrides of a sweep on them; the head is the driver's."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with socket.create_server(("127.0.0.2", 0)) as free:
        address = f"127.0.0.2:{free.getsockname()[1]}"
    port = address.partition(":")[2]
    head = ("--head", f"--port={port}", "--node-ip-address=127.0.0.2", "--include-dashboard=false")
    with (
        TemporaryDirectory(prefix="ray_", dir="/tmp", ignore_cleanup_errors=True) as temp,  # sockets want a short path
        node(tmp_path / "head", *head, f"--temp-dir={temp}") as first,
        node(tmp_path / "second", f"--address={address}", "--node-ip-address=127.0.0.3") as second,
    ):
        yield Cluster(overrides=(*RAY, f"hydra.launcher.init.address={address}"), head=first, second=second)


def kill_node(process: psutil.Process) -> None:
    """All of a node, its raylet first, as when its machine goes; what its jobs had started sees that they are gone."""
    found = [process, *process.children(recursive=True)]
    doomed = [each for each in found if not any("sdpa_exp" in word for word in _command(each))]
    for each in sorted(doomed, key=lambda each: "raylet" not in "".join(_command(each)[:1])):
        with suppress(psutil.NoSuchProcess):
            each.kill()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # as a zombie is, too
        return []


def test_a_node_that_dies_has_its_run_repeated_on_the_other_and_the_comparison_says_so(
    cluster: Cluster, tmp_path: Path
) -> None:
    command = when_training(tmp_path, cluster.overrides, 2, "train.epochs=20")
    kill_node(cluster.second)
    assert command.wait() == 0, command.output
    assert "Traceback" not in command.output
    assert statuses(tmp_path / "sweep") == ["FINISHED"] * 4
    attempts = [attempt for job in read_sweep(tmp_path / "sweep").jobs for attempt in earlier_attempts(job.run_dir)]
    (why,) = (attempt["repeated_because"] for attempt in attempts)
    assert why.startswith("its node 127.0.0.3 died: Ray ran the job again; before that: ")
    assert "its node 127.0.0.3 died" in (tmp_path / "sweep" / "comparison.txt").read_text(encoding="utf-8")
    assert in_store(tmp_path) == {"FINISHED", "KILLED"}
    assert len(read_sweep(tmp_path / "sweep").preflight["nodes"]) == 1
    assert not list(tmp_path.glob("*/multirun")), "paths start where the command was typed"


def test_a_cluster_whose_head_dies_ends_the_sweep_in_order(cluster: Cluster, tmp_path: Path) -> None:
    command = when_training(tmp_path, cluster.overrides, 2)
    kill_node(cluster.head)
    assert command.wait() == 7
    assert (
        "BrokenExecutor: Ray's cluster is gone: its head does not answer. What had finished is kept" in command.output
    )
    assert "To repeat them:  python -m sdpa_exp resume=sweep" in command.output
    assert "Traceback" not in command.output
    assert (tmp_path / "sweep" / "comparison.json").exists()
    assert in_store(tmp_path) <= {"FINISHED", "KILLED", "FAILED"}


def test_what_the_cluster_has_not_is_refused_before_anything_is_made(cluster: Cluster, tmp_path: Path) -> None:
    command = start([*TINY, *cluster.overrides, "hydra.launcher.num_gpus=2", *ARMS], tmp_path)
    assert command.wait() == 2
    assert "hydra.launcher.num_gpus=2 can't work: expected at most 0, which the largest of Ray's" in command.output
    assert not (tmp_path / "sweep").exists()


def test_an_address_where_nobody_answers_is_one_sentence(tmp_path: Path) -> None:
    command = start([*TINY, *RAY, "hydra.launcher.init.address=127.0.0.1:9", *ARMS], tmp_path)
    assert command.wait() == 2
    assert (
        "init.address=127.0.0.1:9 can't be used: nobody answers there. Expected auto, or the HOST:PORT"
        in command.output
    )
    assert list(tmp_path.iterdir()) == [command.screen], "nothing was made"
