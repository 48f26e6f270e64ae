"""Several comparison groups at once (data sets, models): how probably an arm's run is better than the baseline's.

The probability of improvement of Agarwal et al. (2021, rliable): the share of pairs of runs in which the arm's is
better, a tie counting half, in each group, and its mean over groups. It needs no common scale, as a mean of
means would. Its interval is a stratified bootstrap: runs are drawn anew inside each group, and the groups stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdpa_exp.compare.statistics.trim import FloatArray

NUM_RESAMPLES = 2000
LEVEL = 0.95


def probability_of_improvement(groups: Sequence[tuple[FloatArray, FloatArray]]) -> tuple[float, float, float]:
    """The probability that a higher value comes from the arm, with its 95 % interval.

    Args:
        groups: values of the arm's runs and of the baseline's, one pair of arrays for each group.
    """
    rng = np.random.default_rng(0)
    drawn_BG = np.empty((NUM_RESAMPLES, len(groups)))
    for number, (arm_N, baseline_K) in enumerate(groups):
        arm_BN = rng.choice(arm_N, (NUM_RESAMPLES, arm_N.size))
        baseline_BK = rng.choice(baseline_K, (NUM_RESAMPLES, baseline_K.size))
        drawn_BG[:, number] = _share(arm_BN, baseline_BK)
    low, high = np.quantile(drawn_BG.mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(np.mean([_share(arm_N, baseline_K) for arm_N, baseline_K in groups])), float(low), float(high)


def _share(arm_BN: FloatArray, baseline_BK: FloatArray) -> FloatArray:
    """The share of pairs in which the arm's value is higher; ties count half."""
    difference_BNK = arm_BN[..., :, None] - baseline_BK[..., None, :]
    return np.asarray((0.5 * (1 + np.sign(difference_BNK))).mean(axis=(-2, -1)))
