"""Jobs of this process's sweep that left no result: the others are waited for, and the sweep's end names them."""

from __future__ import annotations

import os

from sdpa_exp.errors import RunError

_lost: dict[str, str] = {}


def lose(job: str, log: str) -> None:
    """Note a job that is gone: which one and how, in words, and the file that it printed into."""
    _lost[job] = log


def lose_none() -> None:
    """A sweep begins."""
    _lost.clear()


def lost_jobs() -> RunError | None:
    """The jobs that left no result since `lose_none`, in a sentence; None where all did."""
    if not _lost:
        return None
    no_disk = "" if any(map(os.path.exists, _lost.values())) else (
        " There is no log: expected one in the sweep's folder, which has to be on a disk that all nodes share."
    )  # fmt: skip
    lost = "; ".join(f"{job}, whose log is {log}" for job, log in _lost.items())
    return RunError(f"{len(_lost)} of the jobs ended without a word: {lost}.{no_disk}")
