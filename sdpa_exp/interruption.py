"""Ctrl-C and SIGTERM: one exception for both, which knows what it was and where the measured is kept."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
JOB_SIGNALS = (*_SIGNALS, *([signal.SIGUSR2] if hasattr(signal, "SIGUSR2") else []))
"""Those by which Slurm and submitit end a job: the last one before its time limit."""


class Interrupted(KeyboardInterrupt):
    """The command was asked to end. `folder` keeps what was measured; None before anything was started."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(signal_words(number))
        self.number = number
        self.folder: Path | None = None

    @property
    def exit_code(self) -> int:
        """What a shell reports for a process that the signal ended."""
        return 128 + self.number

    def sentence(self) -> str:
        """What the terminal says last."""
        if self.folder is None:
            return f"Ended by {signal_words(self.number)} before anything was started."
        kept = min(str(self.folder), os.path.relpath(self.folder), key=len)
        return f"Ended by {signal_words(self.number)}. What was measured so far is kept in {kept}"


def signal_words(number: int) -> str:
    """The signal as people know it."""
    name = signal.Signals(number).name
    return {"SIGINT": "Ctrl-C (SIGINT)", "SIGUSR2": "its job's time limit (SIGUSR2)"}.get(name, name)


def signal_of(error: KeyboardInterrupt) -> int:
    """Which signal it was; Python's own exception comes from Ctrl-C."""
    return error.number if isinstance(error, Interrupted) else signal.SIGINT


def raise_on_signals(numbers: Iterable[int] = _SIGNALS) -> None:
    """Turn these signals into `Interrupted` in the main thread."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    for number in numbers:
        signal.signal(number, handle)


@contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """An interruption inside leaves what was measured in this folder."""
    try:
        yield
    except KeyboardInterrupt as error:
        interrupted = error if isinstance(error, Interrupted) else Interrupted()
        interrupted.folder = interrupted.folder or folder
        raise interrupted from None
