"""A job that submitit started, under Slurm or here: told to end it writes its record, and put back it begins anew.

submitit's own way with its signals is to raise in the midst of a run, and to answer SIGTERM not at all.
"""

from __future__ import annotations

import os
import signal
import time

from sdpa_exp.interruption import JOB_SIGNALS, raise_on_signals, signal_of

_LONGEST_GRACE_S = 900.0  # Slurm ends a job by force after KillWait (30 s), or its partition's GraceTime


def is_queued_job() -> bool:
    """Whether this process is one: a driver that waits for it sees to the sweep."""
    return "SUBMITIT_EXECUTOR" in os.environ


def end_in_order() -> None:
    """Let Slurm's signals end the run as Ctrl-C does; without effect in other processes."""
    if is_queued_job():
        raise_on_signals(JOB_SIGNALS)


def may_run_again(error: KeyboardInterrupt) -> bool:
    """Whether Slurm may have put this job back into the queue, which nobody can tell while the job ends.

    Then the job leaves no result for submitit, so that its driver waits as long as the job is in the queue. Before a
    time limit comes another signal.
    """
    return "SLURM_JOB_ID" in os.environ and signal_of(error) == signal.SIGTERM


def stay_to_the_end() -> None:
    """Wait for Slurm to end this job: one that leaves by itself while it is preempted is not put back."""
    for number in JOB_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    time.sleep(_LONGEST_GRACE_S)


def why_again() -> str:
    """Why a job finds its folder used by an earlier one."""
    restarts = os.environ.get("SLURM_RESTART_COUNT", "0")
    if restarts == "0":
        return "its launcher ran the job again"
    return f"preempted or requeued: Slurm put its job back into the queue (restart {restarts})"
