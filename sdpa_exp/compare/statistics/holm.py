"""Holm's correction for several tests at once."""

from __future__ import annotations

import numpy as np


def holm(p_values: list[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    Equal to statsmodels' multipletests(method="holm"), which collects garbage at every call: 0.1 s each.
    """
    p_A = np.asarray(p_values, dtype=np.float64)
    order_A = np.argsort(p_A)
    adjusted_A = np.empty_like(p_A)
    adjusted_A[order_A] = np.maximum.accumulate(p_A[order_A] * np.arange(p_A.size, 0, -1))
    return [float(p) for p in np.minimum(adjusted_A, 1.0)]


def holm_levels(p_values: list[float], alpha: float) -> list[float]:
    """The level at which Holm's procedure tested each p-value: an interval at 1 - level agrees with its decision.

    Where it stops, all that are left were as good as tested at the level of the first that failed.
    """
    levels = [0.0] * len(p_values)
    level, stopped = alpha, False
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        level = level if stopped else alpha / (len(p_values) - rank)
        stopped = stopped or p_values[index] > level
        levels[index] = level
    return levels
