"""Who may write into a run or sweep folder: one process at a time, and one run or sweep in a folder's life."""

from __future__ import annotations

import itertools
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from filelock import AcquireReturnProxy, FileLock, Timeout

from sdpa_exp.errors import RunError
from sdpa_exp.runs.files import (
    COMPARISON_FILE,
    EVENTS_FILE,
    OWNER_LOCK_FILE,
    PLAN_FILE,
    RESULT_FILE,
    SWEEP_FILE,
    WORKER_LOCK_FILE,
)

_LOOK_S = 0.2
WORKER_ENDS_S = 60.0
"""A worker sees the end of its parent within a second, and ends after its training step."""
_TRACES = (PLAN_FILE, EVENTS_FILE, RESULT_FILE, SWEEP_FILE, COMPARISON_FILE)


def make_folder(wanted: Path) -> Path:
    """Make the folder, or `<name>_2`, `<name>_3`, ... where that is taken; no two callers get the same one."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for folder in _numbered(wanted, "_"):
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("the numbers never end")


def own_folder(
    folder: Path, *, key: str = "hydra.run.dir", overwrite: bool = False, resumes: bool = False
) -> AbstractContextManager[object]:
    """Make a folder ours for one new run or sweep, until the context that is returned ends or this process does.

    The process that owns a folder may ask again. A folder that is refused is left as it is.

    Args:
        folder: made where it is missing.
        key: what names the folder on the command line, for the sentences.
        overwrite: move what the folder holds aside, to `<name>_old`.
        resumes: take the folder with what it holds.

    Raises:
        RunError: another process is at work in the folder, or it holds a run, a sweep or a comparison.
    """
    if is_used(folder) and not (overwrite or resumes) and not is_owned(folder):
        raise _used(folder, key)
    folder.mkdir(parents=True, exist_ok=True)
    owned = _lock(folder)
    if is_used(folder) and not resumes:
        if not overwrite:
            owned.lock.release()
            raise _used(folder, key)
        aside = next(path for path in _numbered(folder.with_name(f"{folder.name}_old"), "") if not path.exists())
        folder.rename(aside)  # its lock moves with it, so that nobody writes into it meanwhile
        owned.lock.release()
        folder.mkdir(parents=True, exist_ok=True)
        owned = _lock(folder)
    return owned


def is_used(folder: Path) -> bool:
    """Whether the folder holds a run, a sweep or a comparison."""
    return any((folder / name).exists() for name in _TRACES)


def remove_unused(folder: Path) -> None:
    """Remove a folder in which nothing was written but Hydra's files and a lock; any other stays."""
    if folder.is_dir() and {each.name for each in folder.iterdir()} <= {".hydra", OWNER_LOCK_FILE}:
        shutil.rmtree(folder, ignore_errors=True)  # under Windows a lock that is held stays


def is_owned(folder: Path) -> bool:
    """Whether a process, this one too, is at work in the folder."""
    return _is_held(folder / OWNER_LOCK_FILE)


def is_at_work(folder: Path) -> bool:
    """Whether a process owns the folder, or a run's worker is still there that outlived its own.

    The system takes a lock from a process that has ended, however it did and also by a restart of the machine.
    """
    return is_owned(folder) or _is_held(folder / WORKER_LOCK_FILE)


def hold_as_worker(run_dir: Path) -> AbstractContextManager[object]:
    """Say that this process is the run's worker, until the context or the process ends.

    Raises:
        RunError: another process is.
    """
    try:
        return FileLock(run_dir / WORKER_LOCK_FILE).acquire(timeout=_LOOK_S, poll_interval=_LOOK_S / 10)
    except Timeout as error:
        raise _worker_lives(run_dir) from error


def wait_for_worker(run_dir: Path, timeout_s: float) -> None:
    """Wait until the worker of an earlier attempt has ended, which it does once it sees that its parent is gone.

    Raises:
        RunError: it has not within the time.
    """
    if not (run_dir / WORKER_LOCK_FILE).exists():
        return
    try:
        with FileLock(run_dir / WORKER_LOCK_FILE, timeout=timeout_s):
            return
    except Timeout as error:
        raise _worker_lives(run_dir) from error


def _worker_lives(run_dir: Path) -> RunError:
    return RunError(
        f"the process of an earlier attempt is still at work in {run_dir}: expected it to end once the process that "
        f"started it was gone. End it (sdpa_exp.launch.worker in the list of processes), then repeat the line."
    )


def _is_held(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _lock(folder: Path) -> AcquireReturnProxy[Any]:
    """The folder's lock, held; one object a path in this process, so that its owner can ask again.

    It is tried for a moment, since a look whether it is held (`is_owned`, by task=status say) holds it that long.
    """
    lock = FileLock(folder / OWNER_LOCK_FILE, thread_local=False, is_singleton=True)
    try:
        return lock.acquire(timeout=_LOOK_S, poll_interval=_LOOK_S / 10)
    except Timeout as error:
        raise RunError(
            f"{folder} is in use by another sdpa_exp process, and nothing was written there. Wait for it, or choose "
            f"another folder."
        ) from error


def _used(folder: Path, key: str) -> RunError:
    what = "sweep" if (folder / SWEEP_FILE).exists() else "run"
    if what == "run" and not any((folder / name).exists() for name in (PLAN_FILE, EVENTS_FILE, RESULT_FILE)):
        what = "comparison"
    return RunError(
        f"{folder} already holds a {what}: expected a new or an empty folder. Choose another one with {key}=..., or "
        f"move the old {what} aside with run.overwrite=true."
        + ("" if what == "comparison" else f" resume={folder} completes what was interrupted there.")
    )


def _numbered(path: Path, mark: str) -> itertools.chain[Path]:
    return itertools.chain([path], (path.with_name(f"{path.name}{mark}{num}") for num in itertools.count(2)))
