"""What n pairs could have shown: the smallest effect they detect, and how many would settle the question.

In place of after-the-fact power, which is the p-value said again.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from statsmodels.stats.power import TTestPower

POWER = 0.8
MAX_SEEDS = 1000


def holm(p_values: list[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    Equal to statsmodels' multipletests(method="holm"), which collects garbage at every call: 0.1 s each.
    """
    p_A = np.asarray(p_values, dtype=np.float64)
    order_A = np.argsort(p_A)
    adjusted_A = np.empty_like(p_A)
    adjusted_A[order_A] = np.maximum.accumulate(p_A[order_A] * np.arange(p_A.size, 0, -1))
    return [float(p) for p in np.minimum(adjusted_A, 1.0)]


def detectable_effect(sd: float, n: int, *, alpha: float = 0.05, power: float = POWER) -> float:
    """The smallest true mean difference that a paired t-test with n >= 2 pairs finds with `power`."""
    d_z = TTestPower().solve_power(effect_size=None, nobs=n, alpha=alpha, power=power)
    return float(d_z) * sd


def difference_power(d_z: float, n: int, alpha: float = 0.05) -> float:
    """Power of the two-sided paired t-test at a true effect of d_z standard deviations."""
    power = float(TTestPower().power(abs(d_z), n, alpha))
    if np.isnan(power):  # scipy's noncentral t fails at single points far out; the normal distribution is close there
        power = float(stats.norm.cdf(abs(d_z) * np.sqrt(n) - stats.t.ppf(1 - alpha / 2, n - 1)))
    return power


def equivalence_power(difference: float, sd: float, margin: float, n: int, alpha: float = 0.05) -> float:
    """Power of TOST with n pairs when the true mean difference is `difference`.

    Conditional on the sample variance the test passes when the mean lies inside margin - t * s / sqrt(n); the outer
    expectation over the chi-square of the variance is a midpoint sum over 400 quantiles.
    """
    quantile_Q = (np.arange(400) + 0.5) / 400
    se = sd / np.sqrt(n)
    se_sample_Q = se * np.sqrt(stats.chi2.ppf(quantile_Q, n - 1) / (n - 1))
    room_Q = margin - stats.t.ppf(1 - alpha, n - 1) * se_sample_Q
    inside_Q = stats.norm.cdf((room_Q - difference) / se) - stats.norm.cdf((-room_Q - difference) / se)
    return float(np.where(room_Q > 0, inside_Q, 0.0).mean())


def seeds_to_settle(
    difference: float, sd: float, margin: float | None, *, alpha: float = 0.05, power: float = POWER
) -> int | None:
    """The smallest number of pairs at which either the t-test or TOST would succeed with `power`.

    Takes the observed mean and SD as the true ones, so it is a rough figure when few pairs were seen. None means more
    than 1,000.
    """

    def settles(n: int) -> bool:
        if difference_power(difference / sd, n, alpha) >= power:
            return True
        return margin is not None and equivalence_power(difference, sd, margin, n, alpha) >= power

    if not settles(MAX_SEEDS):
        return None
    low, high = 1, MAX_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        if settles(middle):
            high = middle
        else:
            low = middle
    return high
