"""Times steps as they are against steps with the product left out, in turns, without a profiler.

This is the independent check of the profiler's share: `identity` (out = v) replaces the product, everything else stays.
A pair is one unit of each, in the order A B, B A, A B, ... so that a drift meets both alike. A unit is as many steps as
the optimiser waits for (`accumulate`).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdpa_exp.compare.statistics.paired import paired_test
from sdpa_exp.injection.dispatch import ATTRIBUTE
from sdpa_exp.injection.inject import layer_backend
from sdpa_exp.injection.layers import Layer
from sdpa_exp.measure.clock import synchronize
from sdpa_exp.tasks.profile.schedule import Stage

IDENTITY = "identity"


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One unit. `data_s` is the part of `wall_s` in which the loop waited for batches."""

    is_identity: bool
    num_steps: int
    wall_s: float
    data_s: float

    @property
    def step_s(self) -> float:
        """Seconds of one step."""
        return self.wall_s / self.num_steps


class Unit(Stage):
    """Steps with the arm's backend or with identity; `result` is there in the end."""

    def __init__(self, name: str, num_steps: int, layers: Sequence[Layer], *, is_identity: bool) -> None:
        super().__init__(name, num_steps)
        self.result: Timed | None = None
        self._layers = layers
        self._is_identity = is_identity
        self._data_s = 0.0

    def begin(self, trainer: Any) -> None:
        """Swap the backend, start the clock."""
        self._backends = {layer.name: layer_backend(layer) for layer in self._layers}
        if self._is_identity:
            for layer in self._layers:
                setattr(layer.module, ATTRIBUTE, IDENTITY)
        synchronize(trainer.device)
        self._begun_s = self._waiting_since_s = time.perf_counter()

    def batch_arrived(self, trainer: Any) -> None:
        """Add the wait."""
        self._data_s += time.perf_counter() - self._waiting_since_s

    def step_ended(self, trainer: Any) -> None:
        """The next wait begins."""
        self._waiting_since_s = time.perf_counter()

    def end(self, trainer: Any) -> None:
        """Stop the clock, give the layers their backend back."""
        synchronize(trainer.device)
        wall_s = time.perf_counter() - self._begun_s
        for layer in self._layers:
            setattr(layer.module, ATTRIBUTE, self._backends[layer.name])
        self.result = Timed(is_identity=self._is_identity, num_steps=self.num_steps, wall_s=wall_s, data_s=self._data_s)


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """Medians over units, and how many times faster a step is without the product, with its 95 % t interval.

    The interval's ends are None where the pairs do not vary.
    """

    step_s: float
    data_s: float
    without_product_s: float
    speedup: float
    speedup_low: float | None
    speedup_high: float | None
    num_pairs: int


def turns(num_pairs: int) -> list[bool]:
    """Which units are identity: A B, B A, A B, ..."""
    return [flag for pair in range(num_pairs) for flag in ((False, True) if pair % 2 == 0 else (True, False))]


def summarise(units: Sequence[Timed]) -> StepTimes:
    """The times of a step; the interval is a paired t interval of the logarithms, since ratios multiply."""
    arm = [unit for unit in units if not unit.is_identity]
    identity = [unit for unit in units if unit.is_identity]
    test = paired_test(*(np.log([unit.step_s for unit in some]) for some in (arm, identity)))
    return StepTimes(
        step_s=statistics.median(unit.step_s for unit in arm),
        data_s=statistics.median(unit.data_s / unit.num_steps for unit in arm),
        without_product_s=statistics.median(unit.step_s for unit in identity),
        speedup=math.exp(test.mean),
        speedup_low=None if test.low is None else math.exp(test.low),
        speedup_high=None if test.high is None else math.exp(test.high),
        num_pairs=len(identity),
    )
