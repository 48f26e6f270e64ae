"""A job of submitit, under Slurm or here, or of Ray: told to end it writes its record, and run again it begins anew.

submitit's own way with its signals is to raise in the midst of a run, and to answer SIGTERM not at all.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from sdpa_exp.config.ray_cluster import JOB_VARIABLE
from sdpa_exp.interruption import JOB_SIGNALS, raise_on_signals, signal_of
from sdpa_exp.runs.folder import WORKER_ENDS_S, is_owned

_LONGEST_GRACE_S = 900.0  # Slurm ends a job by force after KillWait (30 s), or its partition's GraceTime


def is_queued_job() -> bool:
    """Whether this process is one: a driver that waits for it sees to the sweep."""
    return "SUBMITIT_EXECUTOR" in os.environ or JOB_VARIABLE in os.environ


def end_in_order() -> None:
    """Let the signals of Slurm and Ray end the run as Ctrl-C does; without effect in other processes."""
    if is_queued_job():
        raise_on_signals(JOB_SIGNALS)


def may_run_again(error: KeyboardInterrupt) -> bool:
    """Whether Slurm may have put this job back into the queue, which nobody can tell while the job ends.

    Then the job leaves no result for submitit, so that its driver waits as long as the job is in the queue. Before a
    time limit comes another signal.
    """
    is_slurms = "SLURM_JOB_ID" in os.environ and JOB_VARIABLE not in os.environ  # a Ray inside a job of Slurm
    return is_slurms and signal_of(error) == signal.SIGTERM


def stay_to_the_end() -> None:
    """Wait for Slurm to end this job: one that leaves by itself while it is preempted is not put back."""
    for number in JOB_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    time.sleep(_LONGEST_GRACE_S)


def wait_for_predecessor(run_dir: Path) -> None:
    """Where Ray runs a job again: its first process may have outlived its node's Ray, and ends soon."""
    deadline_s = time.monotonic() + WORKER_ENDS_S
    while os.environ.get(JOB_VARIABLE) and is_owned(run_dir) and time.monotonic() < deadline_s:
        time.sleep(1.0)


def why_again() -> str:
    """Why a job finds its folder used by an earlier one."""
    if os.environ.get(JOB_VARIABLE):
        return os.environ[JOB_VARIABLE]
    restarts = os.environ.get("SLURM_RESTART_COUNT", "0")
    if restarts == "0":
        return "its launcher ran the job again"
    return f"preempted or requeued: Slurm put its job back into the queue (restart {restarts})"
