"""The tracker for MLflow: everything is sent by one background thread, from the run folders."""

from __future__ import annotations

import logging
import shlex
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from filelock import FileLock, Timeout

from sdpa_exp.errors import ComparisonError, ConfigError, StoreAway, TrackingError
from sdpa_exp.runs.attempts import attempt_folders
from sdpa_exp.runs.files import (
    ATTEMPT_FILE,
    EVENTS_FILE,
    PLAN_FILE,
    RESULT_FILE,
    SWEEP_FILE,
    TRACKING_FILE,
    TRACKING_LOCK_FILE,
    folders_with,
)
from sdpa_exp.runs.folder import is_owned
from sdpa_exp.runs.record import read_record
from sdpa_exp.runs.sweep import read_sweep
from sdpa_exp.tracking.abandoned import is_abandoned, last_sign_unix_ms
from sdpa_exp.tracking.location import Location
from sdpa_exp.tracking.logged_model import Checkpoints
from sdpa_exp.tracking.mlflow_check import check_database
from sdpa_exp.tracking.mlflow_server_check import check_server
from sdpa_exp.tracking.mlflow_store import MlflowStore, RunDeleted, Status, StoreRefuses
from sdpa_exp.tracking.points import unix_ms
from sdpa_exp.tracking.run_sender import RunSender, is_all_sent
from sdpa_exp.tracking.sender_thread import Follower
from sdpa_exp.tracking.sweep_sender import SweepSender
from sdpa_exp.tracking.tracking_file import ProgressFile

logger = logging.getLogger(__name__)

# What is wrong with one folder alone: refused for what is in it, of another version, half copied.
_ODD_FOLDER = (StoreRefuses, ConfigError, ComparisonError, ValueError, KeyError, TypeError, OSError)


class MlflowTracker:
    """Shows run folders in an MLflow store; see `Tracker` for what each method promises."""

    def __init__(self, location: Location, *, experiment: str, checkpoints: Checkpoints, timeout_s: float) -> None:
        self._location = location
        self._experiment = experiment
        self._checkpoints = checkpoints
        self._timeout_s = timeout_s
        self._store = MlflowStore(location, timeout_s=timeout_s)
        self._sweeps: dict[Path, str | None] = {}  # sweeps not yet announced, or whose end is not yet sent
        self._closed_at_ms: dict[Path, int] = {}
        self._sweeps_mutex = threading.Lock()
        self._follower = Follower(self._make_sender, before=self._send_sweeps)

    def check(self) -> None:
        """Ask the store whether it will take our runs; a local file is looked at without loading MLflow."""
        try:
            if self._location.database is None:
                check_server(self._store, self._location, experiment=self._experiment, timeout_s=self._timeout_s)
            else:
                check_database(self._location.database, timeout_s=self._timeout_s)
        except StoreAway:
            self._follower.expect_failure()
            raise

    def open_sweep(self, sweep_dir: Path, *, again: bool = False) -> None:
        """Let the thread create the parent run, or open it again."""
        if again:
            SweepSender(sweep_dir, store=self._store, experiment=self._experiment).reopen()
        with self._sweeps_mutex:
            self._sweeps[sweep_dir] = None
        self._follower.call()

    def follow(self, run_dir: Path) -> None:
        """Let the thread follow the folder."""
        self._follower.follow(run_dir)

    def mend(self, run_dir: Path) -> None:
        """Let the thread send the end of earlier attempts; a command that was killed may not have come to it."""
        for attempt in attempt_folders(run_dir):
            if (attempt / TRACKING_FILE).exists() and not self._has_all(attempt):
                self._follower.follow(attempt)
                self._follower.finish(attempt, 0.0)

    def finish(self, run_dir: Path, timeout_s: float) -> bool:
        """Wait, bounded, until the rest of the run is sent; not at all while an earlier run still waits."""
        is_behind = any(ended != run_dir for ended in self._follower.ended())
        return self._follower.finish(run_dir, 0.0 if is_behind else timeout_s)

    def forget(self, run_dir: Path) -> None:
        """Let the thread leave the folder alone."""
        self._follower.forget(run_dir)

    def close_sweep(self, sweep_dir: Path, status: str) -> int:
        """Record the end, then wait, bounded, until it and the rest of its runs is sent, whichever process ran them."""
        sender = SweepSender(sweep_dir, store=self._store, experiment=self._experiment)
        ended_unix_ms = round(time.time() * 1000)
        sender.want_status(status, ended_unix_ms)
        deadline_s = time.monotonic() + self._timeout_s
        known = dict.fromkeys((*(job.run_dir for job in read_sweep(sweep_dir).jobs), *self._follower.ended()))
        run_dirs = [each for each in known if any((each / name).exists() for name in (RESULT_FILE, ATTEMPT_FILE))]
        for run_dir in run_dirs:
            if not self._has_all(run_dir):
                self._follower.follow(run_dir)
                self._follower.finish(run_dir, max(0.0, deadline_s - time.monotonic()))
        with self._sweeps_mutex:
            self._sweeps[sweep_dir] = status
            self._closed_at_ms[sweep_dir] = ended_unix_ms
        num_rounds = self._follower.num_rounds
        self._follower.call()
        while time.monotonic() < deadline_s:
            with self._sweeps_mutex:
                is_sent = sweep_dir not in self._sweeps
            if is_sent or (self._follower.is_failing and self._follower.num_rounds > num_rounds):
                break
            time.sleep(0.05)
        return sum(not self._has_all(run_dir) for run_dir in run_dirs) + (not sender.is_closed(status))

    def sync(
        self, folder: Path, on_folder: Callable[[int, int], None] = lambda num, total: None, *, resend: bool = False
    ) -> int:
        """Send what is missing below a folder; runs that another process is sending are left to it."""
        plans = folders_with(PLAN_FILE, folder)
        sweeps = folders_with(SWEEP_FILE, folder)
        if not plans and not sweeps:
            raise TrackingError(
                f"{folder} holds nothing to send: expected a run folder (with {PLAN_FILE}), a sweep folder "
                f"(with {SWEEP_FILE}), or a folder above such."
            )
        num, left_out = 0, []
        work = [*((self._sync_run, run_dir) for run_dir in plans), *((self._sync_sweep, each) for each in sweeps)]
        for num_done, (sync_one, one) in enumerate(work, start=1):
            try:
                num += sync_one(one, resend=resend)
            except RunDeleted as error:
                logger.warning("%s is left out: %s", one, error)
            except _ODD_FOLDER as error:  # the others can be sent
                left_out.append(f"{one}: {error}")
                logger.warning("%s is left out: %s: %s", one, type(error).__name__, error)
            except TrackingError as error:
                raise TrackingError(f"{str(error).rstrip('.')}. What was sent stays; repeat the line.") from error
            on_folder(num_done, len(work))
        if left_out:
            raise TrackingError(
                f"{num} requests sent, but {len(left_out)} of {len(work)} folders are left out; the first is "
                f"{left_out[0]}"
            )
        return num

    def ui_command(self) -> str | None:
        """The command for a local store, the address of a server."""
        if self._location.database is None:
            return self._location.ui
        command = (sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", self._location.uri)
        return shlex.join(command)

    def ui_page(self, *, of_all: bool = False) -> str | None:
        """Our experiment's runs, or all; without the last parameter MLflow 3.17 opens its pages for language models."""
        experiment_id = self._store.known_experiment_id(self._experiment)
        page = "experiments" if of_all or experiment_id is None else f"experiments/{experiment_id}/runs"
        return f"{self._location.ui}/#/{page}?workflowType=machine_learning"

    def close(self) -> None:
        """Stop the thread."""
        self._follower.stop(self._timeout_s)

    def _has_all(self, run_dir: Path) -> bool:
        return is_all_sent(run_dir, store_uri=self._location.uri, checkpoints=self._checkpoints)

    def _make_sender(self, run_dir: Path) -> RunSender:
        return RunSender(run_dir, store=self._store, checkpoints=self._checkpoints)

    def _send_sweeps(self) -> int:
        with self._sweeps_mutex:
            waiting = dict(self._sweeps)
        num = 0
        for sweep_dir, status in waiting.items():
            sender = SweepSender(sweep_dir, store=self._store, experiment=self._experiment)
            if status is None:
                sender.announce()
            else:
                sender.close(cast("Status", status), self._closed_at_ms[sweep_dir])
            num += 1
            with self._sweeps_mutex:
                if self._sweeps.get(sweep_dir, "") == status:
                    del self._sweeps[sweep_dir]
        return num

    def _sync_run(self, run_dir: Path, *, resend: bool) -> int:
        if self._follower.is_following(run_dir):
            self._follower.finish(run_dir, self._timeout_s)
            return 0
        lock = FileLock(run_dir / TRACKING_LOCK_FILE)
        try:
            lock.acquire(timeout=0)
        except Timeout:  # it is running, and another process follows it
            return 0
        try:
            if not any((run_dir / name).exists() for name in (EVENTS_FILE, TRACKING_FILE, RESULT_FILE)):
                return 0  # not started yet, or never
            if resend:
                ProgressFile(run_dir, self._location.uri).restart()
            has_ended = (run_dir / RESULT_FILE).exists() or is_abandoned(run_dir)
            return self._make_sender(run_dir).send(has_ended=has_ended)
        finally:
            lock.release()

    def _sync_sweep(self, sweep_dir: Path, *, resend: bool) -> int:
        sweep = read_sweep(sweep_dir)
        sender = SweepSender(sweep_dir, store=self._store, experiment=sweep.name)
        folders = [job.run_dir for job in sweep.jobs]
        wanted_status, end_ms = sender.wanted()
        status = wanted_status or _status_of_left_sweep(sweep_dir, folders)
        if status is None:
            return 0
        if resend:
            with FileLock(sweep_dir / TRACKING_LOCK_FILE):
                ProgressFile(sweep_dir, self._location.uri).restart()
        if end_ms is None:
            end_ms = max((_end_unix_ms(d) for d in folders if d.exists()), default=last_sign_unix_ms(sweep_dir))
        return sender.close(cast("Status", status), end_ms)


def _end_unix_ms(run_dir: Path) -> int:
    if (run_dir / RESULT_FILE).exists():
        return unix_ms(read_record(run_dir).ended_at)
    return last_sign_unix_ms(run_dir)


def _status_of_left_sweep(sweep_dir: Path, folders: list[Path]) -> Status | None:
    """How a sweep ended whose process didn't say; None while that process or one of its runs lives."""
    if is_owned(sweep_dir):
        return None
    statuses: list[Status] = []
    for run_dir in folders:
        if (run_dir / RESULT_FILE).exists():
            statuses.append(read_record(run_dir).status)
        elif (run_dir / PLAN_FILE).exists() and not is_abandoned(run_dir):
            return None
        else:
            statuses.append("KILLED")
    order: tuple[Status, ...] = ("KILLED", "FAILED")
    return next((status for status in order if status in statuses), "FINISHED")
