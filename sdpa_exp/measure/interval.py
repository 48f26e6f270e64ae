"""The ratio of two series of paired times, with a bootstrap interval over the rounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_ROUNDS = 6
"""Fewer rounds get no interval: a percentile bootstrap of 2 covers half of what it promises."""
LEVEL = 0.95
_NUM_DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Reference time over this time: above 1 is faster. The interval is None below `MIN_ROUNDS` rounds."""

    value: float
    low: float | None
    high: float | None

    def to_list(self) -> list[float | None]:
        """Value, low, high."""
        return [self.value, self.low, self.high]


def ratio_of(reference: np.ndarray, candidate: np.ndarray) -> Ratio:
    """Median over rounds of reference / candidate, and its 95 % percentile bootstrap interval over rounds."""
    ratios = np.asarray(reference, dtype=float) / np.asarray(candidate, dtype=float)
    value = float(np.median(ratios))
    if len(ratios) < MIN_ROUNDS:
        return Ratio(value=value, low=None, high=None)
    draws = np.random.default_rng(0).choice(ratios, size=(_NUM_DRAWS, len(ratios)))
    low, high = np.quantile(np.median(draws, axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Ratio(value=value, low=float(low), high=float(high))
