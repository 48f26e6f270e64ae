"""The thread that follows run folders and sends what is new, so that no one else ever waits for a store."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from sdpa_exp.errors import TrackingError
from sdpa_exp.runs.files import TRACKING_LOCK_FILE
from sdpa_exp.tracking.mlflow_store import StoreRefuses
from sdpa_exp.tracking.run_sender import RunSender

logger = logging.getLogger(__name__)

_POLL_S = 1.0
_MAX_BACKOFF_S = 60.0
_MAX_FAULTS = 5


class _Followed:
    """A run folder, and what is known about it."""

    def __init__(self, run_dir: Path) -> None:
        self.lock = FileLock(run_dir / TRACKING_LOCK_FILE)
        self.sender: RunSender | None = None
        self.has_ended = False
        self.settled = threading.Event()  # sent completely, or one attempt after the end has failed
        self.is_sent = False
        self.num_faults = 0


class Follower:
    """Follows any number of folders with one thread. A failing store is asked less and less often, up to a minute."""

    def __init__(self, make_sender: Callable[[Path], RunSender], *, before: Callable[[], int] | None = None) -> None:
        self._make_sender = make_sender
        self._before = before
        self._followed: dict[Path, _Followed] = {}
        self._mutex = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._num_failures = 0
        self._num_rounds = 0

    def follow(self, run_dir: Path) -> None:
        """Follow a folder from now on; returns at once."""
        with self._mutex:
            self._followed.setdefault(run_dir, _Followed(run_dir))
            self._start()
        self._wake.set()

    def forget(self, run_dir: Path) -> None:
        """Follow a folder no longer; what is not sent stays there."""
        with self._mutex:
            followed = self._followed.get(run_dir)
        if followed is not None:
            self._drop(run_dir, followed)

    def call(self) -> None:
        """Let the thread run `before` soon, although there is no folder yet."""
        with self._mutex:
            self._start()
        self._wake.set()

    def finish(self, run_dir: Path, timeout_s: float) -> bool:
        """Send the rest of a folder that is complete now; False if it is not all sent within the time.

        A store that was already failing gets one more attempt and no more time; the thread goes on trying.
        """
        with self._mutex:
            followed = self._followed.get(run_dir)
            if followed is None:
                return False
            was_failing = self._num_failures > 0
            followed.settled.clear()
            followed.has_ended = True
        deadline_s = time.monotonic() + timeout_s
        self._wake.set()
        while True:
            followed.settled.wait(max(0.0, deadline_s - time.monotonic()))
            if followed.is_sent:
                return True
            if was_failing or self._stopping.is_set() or time.monotonic() >= deadline_s:
                return False
            followed.settled.clear()

    def expect_failure(self) -> None:
        """The store was found away and whoever asked has said so: that is not said a second time."""
        self._num_failures = max(1, self._num_failures)

    @property
    def num_rounds(self) -> int:
        """Rounds through everything followed, done so far."""
        return self._num_rounds

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt at anything failed."""
        return self._num_failures > 0

    def is_following(self, run_dir: Path) -> bool:
        """Whether the folder is still being sent."""
        with self._mutex:
            return run_dir in self._followed

    def ended(self) -> list[Path]:
        """Folders that are complete but not yet sent."""
        with self._mutex:
            return [run_dir for run_dir, followed in self._followed.items() if followed.has_ended]

    def stop(self, timeout_s: float) -> None:
        """End the thread after its current request; what is not sent stays in the folders."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(AttributeError, OSError):  # Linux: this thread yields to the measured process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        while not self._stopping.is_set():
            backoff_s = min(_MAX_BACKOFF_S, _POLL_S * 2**self._num_failures)
            self._wake.wait(backoff_s)
            self._wake.clear()
            if self._stopping.is_set():
                break
            self._round()
            self._num_rounds += 1
        with self._mutex:
            for followed in self._followed.values():
                followed.lock.release()

    def _round(self) -> None:
        if self._before is not None and not self._attempt(self._before):
            self._settle_ended()
            return
        with self._mutex:
            items = list(self._followed.items())
        for run_dir, followed in items:
            if not self._attempt(partial(self._send, run_dir, followed)):
                self._settle_ended()
                return

    def _send(self, run_dir: Path, followed: _Followed) -> int:
        """Send what is new of one folder; the store's troubles are raised, the folder's own are dealt with here."""
        if not followed.lock.is_locked:
            try:
                followed.lock.acquire(timeout=0)
            except Timeout:
                logger.debug("%s is being sent by another process", run_dir)
                return 0
        has_ended = followed.has_ended  # read before sending: what is written later is not sent yet
        try:
            if followed.sender is None:
                followed.sender = self._make_sender(run_dir)
            num = followed.sender.send(has_ended=has_ended)
        except StoreRefuses as error:
            logger.warning("%s. The run stays in its folder: %s", str(error).rstrip("."), run_dir)
            self._drop(run_dir, followed)
            return 0
        except TrackingError:
            raise
        except Exception as error:  # noqa: BLE001 - one odd folder must not keep the others from being sent
            followed.num_faults += 1
            if followed.num_faults == _MAX_FAULTS:  # not at once: a file may have been read while it was written
                logger.warning("%s can't be shown: %s: %s", run_dir, type(error).__name__, error)
                self._drop(run_dir, followed)
            return 0
        followed.num_faults = 0
        if has_ended:
            followed.is_sent = True
            self._drop(run_dir, followed)
        return num

    def _drop(self, run_dir: Path, followed: _Followed) -> None:
        with self._mutex:
            self._followed.pop(run_dir, None)
        followed.lock.release()
        followed.settled.set()

    def _attempt(self, action: Callable[[], int]) -> bool:
        try:
            num_requests = action()
        except Exception as error:  # noqa: BLE001 - tracking never fails a run, whatever MLflow raises
            self._num_failures += 1
            if self._num_failures == 1:
                what = (
                    str(error).rstrip(".") if isinstance(error, TrackingError) else f"{type(error).__name__}: {error}"
                )
                logger.warning("%s. The run goes on; what can't be sent waits in its folder.", what)
            return False
        if self._num_failures and num_requests:  # a folder with nothing new proves nothing
            logger.info("the store answers again")
            self._num_failures = 0
        return True

    def _settle_ended(self) -> None:
        with self._mutex:
            for followed in self._followed.values():
                if followed.has_ended:
                    followed.settled.set()
