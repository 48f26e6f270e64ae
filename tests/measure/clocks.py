"""Clocks that say what a test wants, so that no test depends on how fast this machine is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from sdpa_exp.measure.clock import DeviceClock


@dataclass(frozen=True, kw_only=True)
class ScriptedClock(DeviceClock):
    """Calls what it is given, and says the next of its seconds."""

    script: Iterator[float]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def seconds(self, call: Callable[[], object], *, num_calls: int = 1) -> float:
        for _ in range(num_calls):
            call()
        return next(self.script)
