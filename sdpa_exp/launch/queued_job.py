"""A job that submitit started, under Slurm or here: told to end it writes its record, and put back it begins anew.

submitit's own way with its signals is to raise in the midst of a run, and to answer SIGTERM not at all.
"""

from __future__ import annotations

import os
import subprocess

from sdpa_exp.interruption import JOB_SIGNALS, raise_on_signals

_RUNS_AGAIN = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT")
_SCONTROL_S = 20.0


def is_queued_job() -> bool:
    """Whether this process is one: a driver that waits for it sees to the sweep."""
    return "SUBMITIT_EXECUTOR" in os.environ


def end_in_order() -> None:
    """Let Slurm's signals end the run as Ctrl-C does; without effect in other processes."""
    if is_queued_job():
        raise_on_signals(JOB_SIGNALS)


def runs_again() -> bool:
    """Whether Slurm has put this job back into the queue: preempted, or by `scontrol requeue`."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return False
    command = ["scontrol", "--oneliner", "show", "job", job]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=_SCONTROL_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return any(f"JobState={state} " in shown for state in _RUNS_AGAIN)


def why_again() -> str:
    """Why a job finds its folder used by an earlier one."""
    restarts = os.environ.get("SLURM_RESTART_COUNT", "0")
    if restarts == "0":
        return "its launcher ran the job again"
    return f"preempted or requeued: Slurm put its job back into the queue (restart {restarts})"
