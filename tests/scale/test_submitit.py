"""hydra/launcher=submitit_local_sdpa: jobs as under Slurm, on this machine; told to end, killed, and interrupted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.runs.record import read_record
from sdpa_exp.runs.sweep import read_sweep
from tests.faults.processes import start, unreadable
from tests.scale.sweeps import (
    SHARED_CPU,
    in_store,
    learns_as_one_after_the_other,
    processes_of,
    statuses,
    when_training,
)

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="hydra-submitit-launcher is not installed")
pytestmark = pytest.mark.slow

SUBMITIT = ("hydra/launcher=submitit_local_sdpa", SHARED_CPU)
JOB = "submitit.core._submit"


def test_four_jobs_learn_what_they_learn_one_after_the_other(tmp_path: Path) -> None:
    learns_as_one_after_the_other(tmp_path, SUBMITIT)


def test_a_job_that_is_killed_is_recorded_and_the_others_are_waited_for(tmp_path: Path) -> None:
    command = when_training(tmp_path, SUBMITIT, 4, "train.epochs=20")
    processes_of(command, JOB)[0].kill()
    assert command.wait() == 143  # the run's own: the end of the process that watched it
    assert "1 of the jobs ended without a word: " in command.output
    assert "Traceback" not in command.output
    assert sorted(map(str, statuses(tmp_path / "sweep"))) == ["FINISHED", "FINISHED", "FINISHED", "KILLED"]
    assert "1 of 4 runs did not finish. To repeat it:  python -m sdpa_exp resume=sweep" in command.output
    assert in_store(tmp_path) == {"FINISHED", "KILLED", "FAILED"}
    again = start(["resume=sweep"], tmp_path)
    assert again.wait() == 0, again.output
    assert statuses(tmp_path / "sweep") == ["FINISHED"] * 4


def test_a_job_at_its_time_limit_writes_its_record_and_the_sweep_goes_on(tmp_path: Path) -> None:
    command = when_training(tmp_path, SUBMITIT, 4)
    for job in processes_of(command, JOB):
        job.send_signal(signal.SIGUSR2)
    assert command.wait() == 140
    assert statuses(tmp_path / "sweep") == ["KILLED"] * 4
    reasons = {read_record(job.run_dir).reason for job in read_sweep(tmp_path / "sweep").jobs}
    assert all("ended by" in str(reason) for reason in reasons), reasons
    assert "4 of 4 runs did not finish. To repeat them:  python -m sdpa_exp resume=sweep" in command.output
    assert "Traceback" not in command.output
    assert "RUNNING" not in in_store(tmp_path)


def test_ctrl_c_leaves_the_jobs_at_work_and_says_so(tmp_path: Path) -> None:
    command = when_training(tmp_path, SUBMITIT, 4)
    jobs = processes_of(command, JOB)
    command.process.send_signal(signal.SIGINT)
    assert command.wait() == 130
    assert "goes on by itself: wait for its end before you resume or compare." in command.output
    assert "To go on:  python -m sdpa_exp resume=sweep" in command.output
    assert "Traceback" not in command.output
    for job in jobs:
        job.terminate()
        job.wait(120)
    assert statuses(tmp_path / "sweep") == ["KILLED"] * 4
    assert unreadable(tmp_path / "sweep") == []
