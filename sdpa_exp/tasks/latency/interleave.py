"""Times arms against each other in one process: the same batch goes through all of them, in the order of `Rounds`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sdpa_exp.measure.interleaved import Rounds
from sdpa_exp.measure.interval import MIN_ROUNDS
from sdpa_exp.measure.warmup import WINDOW, is_steady
from sdpa_exp.tasks.latency.arm import Stages
from sdpa_exp.tasks.latency.source import Batch

FloatArray = NDArray[np.float64]
MAX_WARMUP = 30
WARMUP_SHARE = 0.5  # of the time limit


class Runs(Protocol):
    """What is timed: an arm, or anything that says how long its stages took."""

    def run(self, batch: Batch) -> Stages:
        """Predict one batch."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The timed rounds.

    Attributes:
        stages_s: arm -> (rounds, 3), seconds of pre, model and post. Row i of all arms is the same batch.
        orders: for each round, the arms in the order they ran.
        num_warmup: passes of each arm before the first timed one, at the first batch.
        is_steady: whether the warm-up ended because all arms were steady, and not because its time was up.
    """

    stages_s: Mapping[str, FloatArray]
    orders: tuple[tuple[str, ...], ...]
    num_warmup: int
    is_steady: bool

    def latency_s(self, arm: str) -> FloatArray:
        """Seconds of pre + model + post, one per round."""
        return np.asarray(self.stages_s[arm].sum(axis=1))

    def model_s(self, arm: str) -> FloatArray:
        """Seconds of the model alone, one per round."""
        return self.stages_s[arm][:, 1]


def time_interleaved(
    arms: Mapping[str, Runs],
    batches: Sequence[Batch],
    *,
    other_shapes: Sequence[Batch],
    num_batches: int,
    time_limit_s: float,
    seed: int,
) -> Samples:
    """Warm up, then time every arm on the batches in turn, from the first again when they are used up.

    Args:
        arms: by name.
        batches: all of one size.
        other_shapes: a batch of every input shape but the first batch's, run once by each arm before the warm-up:
            compilers and autotuners work once per shape.
        num_batches: rounds, rounded up to an even number; fewer when the time is up.
        time_limit_s: for the timed rounds of all arms; as many as an interval needs are done whatever they take.
        seed: of the order of arms.
    """
    for batch in other_shapes:
        for arm in arms.values():
            arm.run(batch)
    num_warmup, steady = _warm_up(arms, batches[0], time_limit_s * WARMUP_SHARE)
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in arms}
    rounds = Rounds(arms, num=num_batches, max_s=time_limit_s, seed=(seed,), at_least=MIN_ROUNDS)
    for number, order in enumerate(rounds):
        for name in order:
            stages = arms[name].run(batches[number % len(batches)])
            rows[name].append((stages.pre_s, stages.model_s, stages.post_s))
    return Samples(
        stages_s={name: np.array(values) for name, values in rows.items()},
        orders=tuple(rounds.orders),
        num_warmup=num_warmup,
        is_steady=steady,
    )


def _warm_up(arms: Mapping[str, Runs], batch: Batch, time_limit_s: float) -> tuple[int, bool]:
    """Pass one batch through the arms until the model's time is steady for each; the number of passes, and whether."""
    model_s: dict[str, list[float]] = {name: [] for name in arms}
    started_s = time.perf_counter()
    for number in range(1, MAX_WARMUP + 1):
        for name, arm in arms.items():
            model_s[name].append(arm.run(batch).model_s)
        if all(is_steady(values) for values in model_s.values()):
            return number, True
        if number >= 2 * WINDOW and time.perf_counter() - started_s > time_limit_s:
            return number, False
    return MAX_WARMUP, False
