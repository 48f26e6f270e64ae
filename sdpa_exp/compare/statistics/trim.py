"""The trimmed mean with its standard error: times of runs, of which one or two of an arm may be stragglers.

A straggler (another process, a cold disk) makes a mean slower that is of an arm like any other. Of 7 pairs or more a
sixth is left out at each end, and the standard error is that of Tukey and McLaughlin (1963), as in Yuen (1974); of
fewer pairs a straggler widens the t interval more than it moves the mean. `benchmarks/statistics_sizes.py` has the
error rates of both, with and without stragglers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MIN_PAIRS_TO_TRIM = 7
SHARE = 6  # one in six at each end: with more, the t distribution fits less


def num_to_trim(num_pairs: int) -> int:
    """How many of the pairs are left out at each end."""
    return num_pairs // SHARE if num_pairs >= MIN_PAIRS_TO_TRIM else 0


def location(values_SN: FloatArray, trim: int = 0) -> tuple[FloatArray, FloatArray, int]:
    """Mean without `trim` values at each end, its standard error, and the degrees of freedom, along the last axis."""
    ordered_SN = np.sort(values_SN, axis=-1)
    num = values_SN.shape[-1]
    kept = num - 2 * trim
    mean_S = ordered_SN[..., trim : num - trim].mean(axis=-1)
    if num == 1:
        return mean_S, np.full_like(mean_S, np.nan), 0
    winsorised_SN = np.clip(ordered_SN, ordered_SN[..., [trim]], ordered_SN[..., [num - 1 - trim]])
    squares_S = (num - 1) * winsorised_SN.var(axis=-1, ddof=1)
    return mean_S, np.sqrt(squares_S / (kept * (kept - 1))), kept - 1
