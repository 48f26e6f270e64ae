"""The parent's side of one run: starts the worker, samples telemetry, follows the event log, and sees to a record."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from sdpa_exp.config.credentials import without_credentials
from sdpa_exp.config.plan import Plan, read_plan, write_plan
from sdpa_exp.errors import RunError
from sdpa_exp.interruption import JOB_SIGNALS, signal_of, signal_words
from sdpa_exp.launch.make_record import now, record_of, with_telemetry
from sdpa_exp.launch.progress import RunProgress
from sdpa_exp.launch.worker_setup import PARENT_VARIABLE
from sdpa_exp.runs.events import EventTail
from sdpa_exp.runs.files import LOG_FILE, PLAN_FILE, RESULT_FILE
from sdpa_exp.runs.folder import own_folder
from sdpa_exp.runs.limits import num_oom_kills
from sdpa_exp.runs.ranks import dead_process
from sdpa_exp.runs.record import Record, Status, read_record, write_record
from sdpa_exp.telemetry.run_telemetry import RunTelemetry
from sdpa_exp.tracking.tracker import Tracker

logger = logging.getLogger(__name__)

_OF_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
_POLL_S = 0.2
_BETWEEN_RUNS_S = 5.0  # a healthy store takes a second or two, and the next training should not wait for another
_GRACE_S = 30.0  # a training step on a slow CPU must end before the worker sees the signal


def supervise(plan: Plan, tracker: Tracker, progress: RunProgress) -> Record:
    """Do one run in a worker process and return its record; `show_end` is left to the caller.

    Raises:
        RunError: the run folder is in use by another process, or holds a run.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after the worker has ended and its record is written.
    """
    with own_folder(plan.run_dir):
        write_plan(plan)
        tracker.follow(plan.run_dir)
        return _watch(plan, progress)


def show_end(plan: Plan, tracker: Tracker) -> bool:
    """Give the store a moment for the rest of a run; a sweep's end has a longer one for what is left, and then tells.

    Returns:
        Whether the store has everything.
    """
    timeout_s = plan.tracking.timeout_s
    return tracker.finish(
        plan.run_dir, timeout_s=timeout_s if plan.job.sweep_dir is None else min(timeout_s, _BETWEEN_RUNS_S)
    )


def _watch(plan: Plan, progress: RunProgress) -> Record:
    started_at = now()
    oom_kills = num_oom_kills()
    with (plan.run_dir / LOG_FILE).open("ab") as log, _deaf_to_job_signals(plan):
        worker = subprocess.Popen(
            _worker_command(plan),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # signals reach the parent alone, which then ends the worker in order
            env=_worker_environment(plan),
        )
    telemetry = RunTelemetry(plan.run_dir, plan.telemetry, worker.pid)
    tail = EventTail(plan.run_dir)
    interrupted: KeyboardInterrupt | None = None
    try:
        while worker.poll() is None:
            _show(tail, plan, telemetry, progress)
            time.sleep(_POLL_S)
    except KeyboardInterrupt as error:
        interrupted = error
        number = signal_of(error)
        progress.note(f"{signal_words(number)}: ending the run and keeping what it measured ...")
        _end(worker, number, has_ranks=plan.hardware.devices > 1)
    _show(tail, plan, telemetry, progress)
    telemetry.stop()
    record = complete(
        plan,
        status="KILLED" if interrupted is not None or worker.returncode < 0 else "FAILED",
        how=_how_it_ended(worker.returncode, interrupted, oom_kills),
        started_at=started_at,
    )
    if interrupted is None and plan.hardware.devices > 1 and record.status == "KILLED":  # and nobody sent it a signal
        record = _of_a_dead_rank(plan, record)
    progress.finish(record)
    if interrupted is not None:
        raise interrupted
    return record


def _worker_command(plan: Plan) -> list[str]:
    """The worker, once for each device."""
    several = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(plan.hardware.devices), "-m"]
    ranks = several if plan.hardware.devices > 1 else []
    return [sys.executable, "-m", *ranks, "sdpa_exp.launch.worker", str(plan.run_dir)]


def _worker_environment(plan: Plan) -> dict[str, str]:
    """Ours, with the run's GPUs and the terminal's width for reports, without credentials and a launcher's numbers.

    Ultralytics and we would take RANK and its like, which a cluster may have set, for those of the run's processes.
    """
    columns = str(shutil.get_terminal_size((120, 24)).columns)
    gpus = {"CUDA_VISIBLE_DEVICES": ",".join(plan.job.gpus)} if plan.job.gpus else {}
    kept = {key: value for key, value in without_credentials(os.environ).items() if key not in _OF_RANKS}
    parent = {PARENT_VARIABLE: str(os.getpid())} if plan.hardware.devices > 1 else {}  # else it is the worker's own
    return {**kept, **gpus, **parent, "PYTHONUNBUFFERED": "1", "COLUMNS": columns}


def _of_a_dead_rank(plan: Plan, record: Record) -> Record:
    """The record of a run whose first process was ended because another one had died without a word."""
    reason = f"{dead_process(plan.hardware.devices)} Its log: {plan.run_dir / LOG_FILE}"
    record = dataclasses.replace(record, reason=reason, error=RunError.__name__, exit_code=RunError.exit_code)
    write_record(plan.run_dir, record)
    return record


def _show(tail: EventTail, plan: Plan, telemetry: RunTelemetry, progress: RunProgress) -> None:
    """Pass new events on: to the screen, and the GPU's identity to telemetry."""
    for event in tail.poll():
        telemetry.event(event)
        progress.event(event)
    progress.refresh(plan.run_dir)


@contextmanager
def _deaf_to_job_signals(plan: Plan) -> Iterator[None]:
    """Let what is started here ignore the signal before a time limit, where it is torch.distributed.run.

    That would die of it, with the run's processes still at work; these listen to it again by themselves.
    """
    number = JOB_SIGNALS[-1]
    if plan.hardware.devices == 1 or number == signal.SIGTERM:
        yield
        return
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


def _end(worker: subprocess.Popen[bytes], number: int, *, has_ranks: bool) -> None:
    """Let the worker end in order; at once, where it takes too long or the user asks a second time."""
    try:
        if has_ranks and number == JOB_SIGNALS[-1]:
            ranks = sorted(psutil.Process(worker.pid).children(), key=lambda process: process.create_time())
            for process in ranks:
                process.send_signal(number)
        else:
            worker.send_signal(number)
        worker.wait(timeout=_GRACE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        worker.kill()
        worker.wait()


def complete(plan: Plan, *, status: Status, how: str, started_at: str) -> Record:
    """The worker's record with what telemetry adds; ours, where the worker died without one."""
    if not (plan.run_dir / PLAN_FILE).exists():
        raise RunError(
            f"{plan.run_dir} is gone, with what the run had measured: expected its disk to stay. Bring it "
            f"back and resume={plan.run_dir}, or start again elsewhere with hydra.run.dir=..."
        )
    if (plan.run_dir / RESULT_FILE).exists():
        record = read_record(plan.run_dir)
    else:
        record = record_of(
            read_plan(plan.run_dir),
            status=status,
            started_at=started_at,
            reason=f"{how} Its log: {plan.run_dir / LOG_FILE}",
            error=RunError.__name__,
            exit_code=RunError.exit_code,
        )
    record = with_telemetry(plan, record)
    write_record(plan.run_dir, record)
    return record


def _how_it_ended(returncode: int, interrupted: KeyboardInterrupt | None, oom_kills: int | None) -> str:
    """Why a worker left no result, as a sentence.

    Args:
        returncode: of its process; negative for a signal.
        interrupted: what asked it to end, if something did.
        oom_kills: the count of the kernel's kills for want of memory when it was started; None where there is none.
    """
    if interrupted is not None:
        words = signal_words(signal_of(interrupted))
        return f"the run was ended by {words}, before its process could write a result."
    how = f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {returncode}"
    if returncode == -signal.SIGKILL:
        now_killed = num_oom_kills()
        if oom_kills is None or now_killed is None:
            how += " (often the system ran out of memory: see dmesg)"
        elif now_killed > oom_kills:
            how += " from the kernel, which was out of memory (its count of such kills in this control group has risen)"
        else:
            how += " from another process (the kernel has not killed for want of memory in this control group)"
    return f"the worker process ended by {how} without a result."
