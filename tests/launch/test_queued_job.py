"""Jobs that a queue runs again: what the first attempt left is set aside, and a finished one is kept."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.config.ray_cluster import JOB_VARIABLE
from sdpa_exp.interruption import Interrupted
from sdpa_exp.launch import queued_job
from sdpa_exp.launch.launch import _begins_anew
from sdpa_exp.runs.attempts import earlier_attempts
from sdpa_exp.runs.files import EVENTS_FILE
from sdpa_exp.tracking.tracker import NoTracker
from tests.runs.folders import plan_for, start_run, whole_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def in_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "7")


def test_a_job_that_slurm_tells_to_end_leaves_no_result_since_it_may_run_again(
    in_job: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert queued_job.may_run_again(Interrupted(signal.SIGTERM))
    assert not queued_job.may_run_again(Interrupted(signal.SIGUSR2))
    monkeypatch.delenv("SLURM_JOB_ID")
    assert not queued_job.may_run_again(Interrupted(signal.SIGTERM))


def test_the_signal_before_a_time_limit_ends_a_queued_job_as_ctrl_c_does(in_job: None) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]
    try:
        queued_job.end_in_order()
        with pytest.raises(Interrupted, match=r"its job's time limit \(SIGUSR2\)"):
            signal.raise_signal(signal.SIGUSR2)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_a_run_that_was_preempted_becomes_an_attempt_with_its_reason(
    in_job: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    start_run(tmp_path / "run")
    assert _begins_anew(plan_for(tmp_path / "run"), NoTracker(), "job 1")
    (attempt,) = earlier_attempts(tmp_path / "run")
    assert attempt["repeated_because"].startswith(
        "preempted or requeued: Slurm put its job back into the queue (restart 1); before that: it ended without a"
    )
    assert not (tmp_path / "run" / EVENTS_FILE).exists(), "nothing is appended to what the first attempt wrote"
    assert "job 1: again, since preempted or requeued" in capsys.readouterr().out


def test_a_run_whose_node_died_under_ray_becomes_an_attempt_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(JOB_VARIABLE, "its node 10.0.0.7 died: Ray ran the job again")
    monkeypatch.setenv("SLURM_JOB_ID", "7")  # a Ray inside an allocation of Slurm
    assert queued_job.is_queued_job()
    assert not queued_job.may_run_again(Interrupted(signal.SIGTERM)), "Slurm has nothing to put back"
    start_run(tmp_path / "run")
    queued_job.wait_for_predecessor(tmp_path / "run")
    assert _begins_anew(plan_for(tmp_path / "run"), NoTracker(), "job 1")
    (attempt,) = earlier_attempts(tmp_path / "run")
    assert attempt["repeated_because"].startswith(
        "its node 10.0.0.7 died: Ray ran the job again; before that: it ended"
    )


def test_a_run_that_had_finished_is_kept_when_its_job_is_run_again(in_job: None, tmp_path: Path) -> None:
    whole_run(tmp_path / "run")
    assert not _begins_anew(plan_for(tmp_path / "run"), NoTracker(), "job 1")
    assert earlier_attempts(tmp_path / "run") == []
    assert _begins_anew(plan_for(tmp_path / "new"), NoTracker(), "job 1")
