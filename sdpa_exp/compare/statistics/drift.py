"""Does a metric drift with the place of a run in its sweep? A machine that warms up slows later runs of any arm.

The test is of the slope of seed blocks, which hold every arm once, over their mean place: what arms differ by is the
same in each, and what a block has in common (its seed) counts once. It keeps its level in any order of the arms.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from sdpa_exp.compare.statistics.trim import FloatArray

MIN_BLOCKS = 4


def drift(value_SNA: FloatArray, place_NA: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Change of the values from one place to the next, and its two-sided p, along the first axis; A arms in N blocks.

    None below four blocks, or where all have the same place.
    """
    place_N = place_NA.mean(axis=-1)
    place_N = place_N - place_N.mean()
    if place_N.size < MIN_BLOCKS or not place_N.any():
        return None
    block_SN = value_SNA.mean(axis=-1)
    slope_S = block_SN @ place_N / (place_N @ place_N)
    residual_SN = block_SN - block_SN.mean(axis=-1, keepdims=True) - slope_S[..., None] * place_N
    freedom = place_N.size - 2
    error_S = np.sqrt((residual_SN**2).sum(axis=-1) / freedom / (place_N @ place_N))
    with np.errstate(divide="ignore", invalid="ignore"):
        return slope_S, np.asarray(2 * stats.t.sf(np.abs(slope_S) / error_S, freedom))
