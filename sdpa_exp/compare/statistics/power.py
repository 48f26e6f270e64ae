"""What n pairs could have shown: the smallest effect they detect, and how many would settle the question.

In place of after-the-fact power, which is the p-value said again. Powers are integrals over the distribution of the
sample's standard deviation. The noncentral t of scipy 1.17 (and with it statsmodels' TTestPower) gives the same where
it answers, but NaN at many points that we need, and statsmodels' solver then returns the edge of its search range.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize, stats
from scipy.special import ndtr

from sdpa_exp.compare.statistics.trim import FloatArray

POWER = 0.8
MAX_SEEDS = 1000
NUM_QUANTILES = 500
NUM_SDS = 40
MIN_PAIRS_TO_PLAN = 5


def detectable_effect(sd: float, n: int, *, alpha: float = 0.05, power: float = POWER) -> float:
    """The smallest true mean difference that a paired t-test with n >= 2 pairs finds with `power`."""
    high = 1.0
    while difference_power(high, n, alpha) < power:
        high *= 2
    return sd * float(optimize.brentq(lambda d_z: difference_power(d_z, n, alpha) - power, 0.0, high, xtol=1e-6))


def difference_power(d_z: float, n: int, alpha: float = 0.05) -> float:
    """Power of the two-sided paired t-test with n >= 2 pairs at a true effect of d_z standard deviations."""
    return float(_difference_power(np.array([d_z]), n, alpha)[0])


def equivalence_power(difference: float, sd: float, margin: float, n: int, alpha: float = 0.05) -> float:
    """Power of TOST with n >= 2 pairs when the true mean difference is `difference`."""
    return float(_equivalence_power(difference, np.array([sd]), margin, n, alpha)[0])


def _difference_power(d_z_K: FloatArray, n: int, alpha: float) -> FloatArray:
    limit_Q = stats.t.ppf(1 - alpha / 2, n - 1) * _relative_sd(n)
    shift_K1 = np.abs(d_z_K)[:, None] * np.sqrt(n)
    return np.asarray((ndtr(shift_K1 - limit_Q) + ndtr(-limit_Q - shift_K1)).mean(axis=-1))


def _equivalence_power(difference: float, sd_K: FloatArray, margin: float, n: int, alpha: float) -> FloatArray:
    """Given the sample's standard deviation s, the test passes when the mean lies inside margin - t * s / sqrt(n)."""
    se_K1 = sd_K[:, None] / np.sqrt(n)
    room_KQ = margin - stats.t.ppf(1 - alpha, n - 1) * se_K1 * _relative_sd(n)
    inside_KQ = ndtr((room_KQ - difference) / se_K1) - ndtr((-room_KQ - difference) / se_K1)
    return np.asarray(np.where(room_KQ > 0, inside_KQ, 0.0).mean(axis=-1))


@cache
def _relative_sd(n: int) -> FloatArray:
    """The sample's standard deviation over the true one, at the midpoints of Q equal slices of probability."""
    quantile_Q = (np.arange(NUM_QUANTILES) + 0.5) / NUM_QUANTILES
    return np.asarray(np.sqrt(stats.chi2.ppf(quantile_Q, n - 1) / (n - 1)), dtype=np.float64)


def seeds_to_settle(sd: float, margin: float, *, alpha: float = 0.05, power: float = POWER) -> int | None:
    """The smallest number of pairs that settles a question either way, with `power`.

    TOST then shows arms without a difference to be equivalent, and the t-test finds a difference of the size of the
    margin. The observed mean plays no part: few pairs put it anywhere. None means more than 1,000.
    """
    return _smallest(lambda n: float(settling_power(np.array([sd]), margin, n, alpha)[0]) >= power)


def settling_power(sd_K: FloatArray, margin: float, n: int, alpha: float = 0.05) -> FloatArray:
    """The smaller of the powers to show no difference equivalent, and to find one of the size of the margin."""
    equivalence_K = _equivalence_power(0.0, sd_K, margin, n, alpha)
    return np.minimum(equivalence_K, _difference_power(margin / sd_K, n, alpha))


def _smallest(settles: Callable[[int], bool]) -> int | None:
    low, high = 1, MAX_SEEDS  # one pair settles nothing
    if not settles(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settles(middle) else (middle, high)
    return high


def sd_limits(sd: float, freedom: float, *, level: float = 0.95) -> tuple[float, float]:
    """Limits of the true standard deviation by the chi-square distribution; n values have n - 1 degrees of freedom."""
    low, high = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], freedom)
    return sd * float(np.sqrt(freedom / low)), sd * float(np.sqrt(freedom / high))


def pooled_sd(sds: Sequence[float], n: int) -> tuple[float, float]:
    """One SD from those of several arms against one baseline, n pairs each, with its degrees of freedom.

    Differences from one baseline correlate by a half, and so their variances by a quarter: k arms are worth fewer.
    """
    freedom = (n - 1) * len(sds) / (1 + (len(sds) - 1) / 4)
    return float(np.sqrt(np.mean(np.square(sds)))), freedom


@dataclass(frozen=True, kw_only=True)
class SeedsNeeded:
    """Pairs that would settle a question. None: more than 1,000.

    Attributes:
        plan: settle it in 80 % of experiments, averaged over what the SD may be.
        least, most: at the smallest and largest likely SD (95 %).
    """

    plan: int | None
    least: int | None
    most: int | None


def seeds_needed(sd: float, freedom: float, margin: float, *, alpha: float = 0.05) -> SeedsNeeded:
    """How many pairs would settle a question, from an SD with `freedom` degrees of freedom, 4 at least.

    The SD of five pairs is known to a factor of 0.6 to 2.9 only. Planning with it as if it were the true one settles
    less than 80 %, so that power is averaged over the SDs that it leaves likely.
    """
    likely_K = sd * np.sqrt(freedom / stats.chi2.ppf((np.arange(NUM_SDS) + 0.5) / NUM_SDS, freedom))
    low, high = sd_limits(sd, freedom)
    return SeedsNeeded(
        plan=_smallest(lambda n: float(settling_power(likely_K, margin, n, alpha).mean()) >= POWER),
        least=seeds_to_settle(low, margin, alpha=alpha),
        most=seeds_to_settle(high, margin, alpha=alpha),
    )
