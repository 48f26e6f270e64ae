"""Percentiles and throughput of timed batches: pure functions over arrays of seconds.

A sample is one batch; its latency is pre + model + post. A percentile that the number of samples can't carry is None:
the 99th needs a hundred.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
STAGES = ("pre", "model", "post")
PERCENTILES = (50, 95, 99)


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
