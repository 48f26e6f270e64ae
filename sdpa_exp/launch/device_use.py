"""Runs of ours that use one device at once void each other's timing: a GPU is taken in turns, a shared device is named.

The cache, which nodes may share, has the locks: one for each GPU, and one for each run that shares a GPU or the CPU.
Beside a lock stands a note: who holds it.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from sdpa_exp.data.cache import cache_root
from sdpa_exp.errors import RunError
from sdpa_exp.runs.files import write_text_atomic
from sdpa_exp.runs.record import GPU_WAITED

Say = Callable[[str, str], None]
"""Takes the code and the sentence of a warning."""
_ANNOUNCING_S = 2.0  # longer than a run that shares a GPU takes to leave its note
_POLL_S = 0.5


@contextmanager
def use_devices(
    gpu_uuids: Sequence[str], run_dir: Path, say: Say, *, wait: bool, shared: bool = False
) -> Iterator[None]:
    """Hold all GPUs of a run, in the order of their UUIDs, so that two runs never wait for each other.

    Arguments as in `use_device`; without GPUs the CPU.
    """
    with ExitStack() as held:
        for uuid in sorted(gpu_uuids) or (None,):
            held.enter_context(use_device(uuid, run_dir, say, wait=wait, shared=shared))
        yield


@contextmanager
def use_device(gpu_uuid: str | None, run_dir: Path, say: Say, *, wait: bool, shared: bool = False) -> Iterator[None]:
    """Hold a GPU for one run of ours at a time, or with others that share it; say which runs shared a device.

    Args:
        gpu_uuid: None for a CPU.
        run_dir: of the run, which others are told.
        say: records whom the run waits for, or shared the device with.
        wait: for a GPU that others hold; without it the run is refused.
        shared: a GPU, with runs that share it, too; one that does not is waited for, and waits for them.

    Raises:
        RunError: others hold the GPU, and nobody wants to wait.
    """
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    who = f"{run_dir} (process {os.getpid()})"
    if gpu_uuid is None:
        with _beside_others(folder / f"cpu_{platform.node()}", who, partial(say, "other_runs_on_cpu"), "CPU"):
            yield
        return
    path = folder / f"{gpu_uuid}.lock"
    turn = FileLock(path)

    def busy(holder: str) -> None:
        if not wait:
            raise RunError(
                f"GPU {gpu_uuid} is in use by {holder}, and two runs at once would void each other's times. Expected a "
                f"free one: wait for it (wait=true), or choose another GPU with hardware.device."
            )
        say(GPU_WAITED, f"waiting for {holder} to end, which holds GPU {gpu_uuid}; wait=no refuses instead.")

    try:
        turn.acquire(timeout=_ANNOUNCING_S if shared else 0)
    except Timeout:
        busy(_holder(path))
        turn.acquire()
    try:
        sharing = folder / gpu_uuid
        if shared:  # the turn is only for the door
            with _beside_others(sharing, who, partial(say, "other_runs_on_gpu"), "GPU"):
                turn.release()
                yield
            return
        write_text_atomic(path.with_suffix(".txt"), who)
        if others := _others(sharing):
            busy(" and ".join(others))
            while _others(sharing):
                time.sleep(_POLL_S)
        yield
    finally:
        turn.release()


@contextmanager
def _beside_others(folder: Path, who: str, say: Callable[[str], None], device: str) -> Iterator[None]:
    """A lock of our own; those of others that are held when the run begins or ends are runs beside this one."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{os.getpid()}.lock"
    with FileLock(path):
        write_text_atomic(path.with_suffix(".txt"), who)
        before = _others(folder, path)
        try:
            yield
        finally:
            beside = dict.fromkeys([*before, *_others(folder, path)])
            if beside:
                say(f"{' and '.join(beside)} ran on this {device} at the same time: times are too long.")
    path.unlink(missing_ok=True)
    path.with_suffix(".txt").unlink(missing_ok=True)


def _others(folder: Path, own: Path | None = None) -> list[str]:
    """Who holds another lock of the folder; what a run that was killed left there is swept up."""
    found = []
    for path in sorted(folder.glob("*.lock")):
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
