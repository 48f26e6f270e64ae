"""One run per GPU at a time: two at once would void each other's timing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from sdpa_exp.data.cache import cache_root

logger = logging.getLogger(__name__)


@contextmanager
def gpu_lock(uuid: str | None) -> Iterator[None]:
    """Hold the lock of this GPU, waiting for another run of ours to end first; no GPU, no lock."""
    if uuid is None:
        yield
        return
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{uuid}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("waiting for another sdpa_exp run on GPU %s to end", uuid)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
