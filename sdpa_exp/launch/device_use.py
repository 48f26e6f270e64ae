"""Runs of ours that use one device at once void each other's timing: a GPU is taken in turns, a shared CPU is named.

The cache, which nodes may share, has the locks: one for each GPU, and on a CPU one for each run. Beside a lock stands
a note: who holds it.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sdpa_exp.data.cache import cache_root
from sdpa_exp.errors import RunError
from sdpa_exp.runs.files import write_text_atomic

Say = Callable[[str, str], None]
"""Takes the code and the sentence of a warning."""


@contextmanager
def use_devices(gpu_uuids: Sequence[str], run_dir: Path, say: Say, *, wait: bool) -> Iterator[None]:
    """Hold all GPUs of a run, in the order of their UUIDs, so that two runs never wait for each other.

    Arguments as in `use_device`; without GPUs the CPU.
    """
    with ExitStack() as held:
        for uuid in sorted(gpu_uuids) or (None,):
            held.enter_context(use_device(uuid, run_dir, say, wait=wait))
        yield


@contextmanager
def use_device(gpu_uuid: str | None, run_dir: Path, say: Say, *, wait: bool) -> Iterator[None]:
    """Hold a GPU for one run of ours at a time; where there is none, say which runs of ours shared the CPU.

    Args:
        gpu_uuid: None for a CPU.
        run_dir: of the run, which others are told.
        say: records whom the run waits for, or shared the CPU with.
        wait: for the GPU; without it the run is refused.

    Raises:
        RunError: another run holds the GPU, and nobody wants to wait.
    """
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    who = f"{run_dir} (process {os.getpid()})"
    if gpu_uuid is None:
        with _shared_cpu(folder / f"cpu_{platform.node()}", who, say):
            yield
        return
    path = folder / f"{gpu_uuid}.lock"
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        holder = _holder(path)
        if not wait:
            raise RunError(
                f"GPU {gpu_uuid} is in use by {holder}, and two runs at once would void each other's times. Expected a "
                f"free one: wait for it (wait=true), or choose another GPU with hardware.device."
            ) from error
        say("gpu_waited", f"waiting for {holder} to end, which holds GPU {gpu_uuid}; wait=no refuses instead.")
        lock.acquire()
    try:
        write_text_atomic(path.with_suffix(".txt"), who)
        yield
    finally:
        lock.release()


@contextmanager
def _shared_cpu(folder: Path, who: str, say: Say) -> Iterator[None]:
    """A lock of our own; those of others that are held when the run begins or ends are runs beside this one."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{os.getpid()}.lock"
    with FileLock(path):
        write_text_atomic(path.with_suffix(".txt"), who)
        before = _others(path)
        try:
            yield
        finally:
            beside = dict.fromkeys([*before, *_others(path)])
            if beside:
                say("cpu_shared", f"{' and '.join(beside)} ran on this CPU at the same time: times are too long.")
    path.unlink(missing_ok=True)
    path.with_suffix(".txt").unlink(missing_ok=True)


def _others(own: Path) -> list[str]:
    """Who holds another lock of the folder; what a run that was killed left there is swept up."""
    found = []
    for path in sorted(own.parent.glob("*.lock")):
        if path == own:
            continue
        try:
            with FileLock(path, timeout=0):
                path.with_suffix(".txt").unlink(missing_ok=True)
                path.unlink(missing_ok=True)
        except Timeout:
            found.append(_holder(path))
    return found


def _holder(path: Path) -> str:
    try:
        return path.with_suffix(".txt").read_text(encoding="utf-8")
    except OSError:
        return "another run of sdpa_exp"
