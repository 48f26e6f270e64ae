"""Percentiles, throughput and paired ratios of timed batches: pure functions over arrays of seconds.

A sample is one batch; its latency is pre + model + post. A percentile that the number of samples can't carry is None:
the 99th needs a hundred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
STAGES = ("pre", "model", "post")
PERCENTILES = (50, 95, 99)
STEADY_WINDOW = 2
STEADY_TOLERANCE = 0.05
MIN_FOR_RATIO = 10  # below, a bootstrap of a median says nothing
_NUM_BOOTSTRAP = 2000


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times faster than the reference: the median of paired ratios, and its 95 % bootstrap interval.

    `low` and `high` are None where there are fewer than MIN_FOR_RATIO pairs.
    """

    median: float
    low: float | None
    high: float | None
    num_pairs: int


def samples_needed(percentile: int) -> int:
    """The least number of samples of which one lies above this percentile."""
    return 1 if percentile == 50 else round(100 / (100 - percentile))


def describe_ms(seconds: FloatArray) -> dict[str, float | None]:
    """Mean, least, largest and the percentiles, in milliseconds."""
    values = {"mean": float(seconds.mean()), "min": float(seconds.min()), "max": float(seconds.max())}
    known: dict[str, float | None] = {name: 1e3 * value for name, value in values.items()}
    for percentile in PERCENTILES:
        is_enough = len(seconds) >= samples_needed(percentile)
        known[f"p{percentile}"] = 1e3 * float(np.percentile(seconds, percentile)) if is_enough else None
    return known


def images_per_s(stages_s: FloatArray, batch: int) -> float:
    """FPS: images over the sum of pre, model and post of all samples, an array (samples, stages)."""
    return len(stages_s) * batch / float(stages_s.sum())


def speedup(reference_s: FloatArray, candidate_s: FloatArray) -> Ratio:
    """The candidate's speed-up over the reference; element i of both was timed on the same images, side by side."""
    ratios = reference_s / candidate_s
    low = high = None
    if len(ratios) >= MIN_FOR_RATIO:
        draws = np.random.default_rng(0).choice(ratios, size=(_NUM_BOOTSTRAP, len(ratios)))
        low, high = (float(value) for value in np.quantile(np.median(draws, axis=1), [0.025, 0.975]))
    return Ratio(median=float(np.median(ratios)), low=low, high=high, num_pairs=len(ratios))


def is_steady(seconds: list[float]) -> bool:
    """Whether the mean of the last two is within 5 % of that of the two before."""
    if len(seconds) < 2 * STEADY_WINDOW:
        return False
    before = float(np.mean(seconds[-2 * STEADY_WINDOW : -STEADY_WINDOW]))
    return abs(float(np.mean(seconds[-STEADY_WINDOW:])) / before - 1) <= STEADY_TOLERANCE
