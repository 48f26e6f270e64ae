"""Did the machine change while something was measured? A fixed operation, timed before and after.

It sees what a user of the machine sees: a lower clock, a throttled core, a neighbour. 10 % is well above what a calm
machine does.
"""

from __future__ import annotations

import statistics

import torch

from sdpa_exp.measure.clock import DeviceClock

MAX_DRIFT = 0.10
_NUM_SAMPLES = 7
_EDGE = {"cpu": 384, "cuda": 4096, "mps": 2048}


class ReferenceOperation:
    """A square matrix product in fp32, of a size that takes milliseconds on its kind of device."""

    def __init__(self, clock: DeviceClock) -> None:
        self._clock = clock
        edge = _EDGE.get(clock.device.type, 1024)
        generator = torch.Generator().manual_seed(0)
        self._matrix = torch.rand(edge, edge, generator=generator).to(clock.device)
        self._out = torch.empty_like(self._matrix)
        self.seconds()

    @property
    def name(self) -> str:
        """What is timed."""
        edge = len(self._matrix)
        return f"fp32 matmul {edge}x{edge}, median of {_NUM_SAMPLES}"

    def seconds(self) -> float:
        """The median of a few samples."""
        return statistics.median(self._clock.seconds(self._multiply, num_calls=2) for _ in range(_NUM_SAMPLES))

    def _multiply(self) -> None:
        torch.mm(self._matrix, self._matrix, out=self._out)


def drift_of(before_s: float, after_s: float) -> float:
    """How much slower (positive) or faster the operation got, as a share."""
    return after_s / before_s - 1
