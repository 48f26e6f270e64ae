"""What n pairs could have shown: the smallest effect they detect, and how many would settle the question.

In place of after-the-fact power, which is the p-value said again. Powers are integrals over the distribution of the
sample's standard deviation. The noncentral t of scipy 1.17 (and with it statsmodels' TTestPower) gives the same where
it answers, but NaN at many points that we need, and statsmodels' solver then returns the edge of its search range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

if TYPE_CHECKING:
    from sdpa_exp.compare.statistics.trim import FloatArray

POWER = 0.8
MAX_SEEDS = 1000
NUM_QUANTILES = 2000
MIN_PAIRS_TO_PLAN = 5


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


def detectable_effect(sd: float, n: int, *, alpha: float = 0.05, power: float = POWER) -> float:
    """The smallest true mean difference that a paired t-test with n >= 2 pairs finds with `power`."""
    high = 1.0
    while difference_power(high, n, alpha) < power:
        high *= 2
    return sd * float(optimize.brentq(lambda d_z: difference_power(d_z, n, alpha) - power, 0.0, high, xtol=1e-6))


def difference_power(d_z: float, n: int, alpha: float = 0.05) -> float:
    """Power of the two-sided paired t-test with n >= 2 pairs at a true effect of d_z standard deviations."""
    limit_Q = stats.t.ppf(1 - alpha / 2, n - 1) * _relative_sd(n)
    shift = abs(d_z) * np.sqrt(n)
    return float((stats.norm.sf(limit_Q - shift) + stats.norm.cdf(-limit_Q - shift)).mean())


def equivalence_power(difference: float, sd: float, margin: float, n: int, alpha: float = 0.05) -> float:
    """Power of TOST with n >= 2 pairs when the true mean difference is `difference`.

    Given the sample's standard deviation s, the test passes when the mean lies inside margin - t * s / sqrt(n).
    """
    se = sd / np.sqrt(n)
    room_Q = margin - stats.t.ppf(1 - alpha, n - 1) * se * _relative_sd(n)
    inside_Q = stats.norm.cdf((room_Q - difference) / se) - stats.norm.cdf((-room_Q - difference) / se)
    return float(np.where(room_Q > 0, inside_Q, 0.0).mean())


def _relative_sd(n: int) -> FloatArray:
    """The sample's standard deviation over the true one, at the midpoints of Q equal slices of probability."""
    quantile_Q = (np.arange(NUM_QUANTILES) + 0.5) / NUM_QUANTILES
    return np.asarray(np.sqrt(stats.chi2.ppf(quantile_Q, n - 1) / (n - 1)), dtype=np.float64)


def seeds_to_settle(sd: float, margin: float, *, alpha: float = 0.05, power: float = POWER) -> int | None:
    """The smallest number of pairs that settles a question either way, with `power`.

    TOST then shows arms without a difference to be equivalent, and the t-test finds a difference of the size of the
    margin. The observed mean plays no part: few pairs put it anywhere. None means more than 1,000.
    """

    def settles(n: int) -> bool:
        return (
            equivalence_power(0.0, sd, margin, n, alpha) >= power and difference_power(margin / sd, n, alpha) >= power
        )

    low, high = 1, MAX_SEEDS  # one pair settles nothing
    if not settles(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settles(middle) else (middle, high)
    return high


def sd_limits(sd: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Limits of the true standard deviation from that of n >= 2 values, by the chi-square distribution."""
    low, high = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], n - 1)
    return sd * float(np.sqrt((n - 1) / low)), sd * float(np.sqrt((n - 1) / high))


def seeds_range(sd: float, n: int, margin: float, *, alpha: float = 0.05) -> tuple[int | None, int | None] | None:
    """The pairs that would settle a question, for the smallest and largest SD that n pairs leave likely (95 %).

    None below 5 pairs, whose SD says nothing: at n = 2 its limits are 0.45 and 32 times the value.
    """
    if n < MIN_PAIRS_TO_PLAN:
        return None
    low, high = (seeds_to_settle(limit, margin, alpha=alpha) for limit in sd_limits(sd, n))
    return low, high
