"""The statistics of paired differences, as pure functions over arrays: S simulations or none, N pairs.

All tests are scipy's; nothing here knows about runs, arms or words. p-values are two-sided unless they say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

PERMUTATION_MIN_PAIRS = 6  # below, 2 / 2**n can't go under 0.05
PERMUTATION_MAX_EXACT = 16  # 65,536 sign patterns; beyond, they are sampled with a fixed seed
PERMUTATION_DRAWS = 9_999
ROUNDING = 1e-12  # a spread below this share of the values is rounding of the subtraction, not noise


@dataclass(frozen=True, kw_only=True)
class Description:
    """One metric of one arm over its runs. `sd` and `cv` (sd / mean) are None for one run."""

    n: int
    mean: float
    sd: float | None
    cv: float | None
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Arm minus baseline, paired by seed.

    Attributes:
        n: pairs.
        mean, sd: of the differences; sd is None for one pair.
        baseline_mean: mean of the baseline over the same pairs.
        low, high: t interval of the mean difference at `level`; None without spread.
        p: paired t-test.
        p_equivalence: TOST against `margin` (the larger of the two one-sided p-values).
        p_permutation: sign-flip permutation test, from 6 pairs on, where there is a margin (a declared metric).
        d_z: Cohen's d_z, mean over sd of the differences.
        is_deterministic: two pairs or more whose differences do not vary: there is no noise to test against.
    """

    n: int
    mean: float
    sd: float | None
    baseline_mean: float
    level: float
    low: float | None
    high: float | None
    p: float | None
    margin: float | None
    p_equivalence: float | None
    p_permutation: float | None
    d_z: float | None
    is_deterministic: bool

    def interval(self, level: float) -> tuple[float, float] | None:
        """The t interval of the mean difference at another level; None without spread."""
        if not self.standard_error:
            return None
        half_width = float(stats.t.ppf((1 + level) / 2, self.n - 1)) * self.standard_error
        return self.mean - half_width, self.mean + half_width

    @property
    def standard_error(self) -> float | None:
        """Of the mean difference; None where there is no spread to take it from."""
        return self.sd / self.n**0.5 if self.sd else None


def describe(values_N: FloatArray) -> Description:
    """Mean, SD (n - 1), coefficient of variation and range of at least one value."""
    n = int(values_N.size)
    mean = float(values_N.mean())
    sd = float(values_N.std(ddof=1)) if n > 1 else None
    cv = sd / abs(mean) if sd is not None and mean else None
    return Description(n=n, mean=mean, sd=sd, cv=cv, low=float(values_N.min()), high=float(values_N.max()))


def difference_p(difference_SN: FloatArray) -> FloatArray:
    """Paired t-test, along the last axis: the one-sample test of the differences against 0."""
    return np.asarray(stats.ttest_1samp(difference_SN, 0.0, axis=-1).pvalue, dtype=np.float64)


def equivalence_p(difference_SN: FloatArray, margin: float) -> FloatArray:
    """TOST (Schuirmann 1987), along the last axis: null hypothesis |mean| >= margin."""
    above = stats.ttest_1samp(difference_SN, -margin, axis=-1, alternative="greater").pvalue
    below = stats.ttest_1samp(difference_SN, margin, axis=-1, alternative="less").pvalue
    return np.asarray(np.maximum(above, below), dtype=np.float64)


def permutation_p(difference_N: FloatArray) -> float:
    """Sign-flip permutation test of the mean difference: exact up to 16 pairs, else 9,999 seeded draws."""
    exact = difference_N.size <= PERMUTATION_MAX_EXACT
    result = stats.permutation_test(
        (difference_N,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf if exact else PERMUTATION_DRAWS,
        batch=None if exact else 1_000,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def has_spread(difference_N: FloatArray, scale: float) -> bool:
    """Whether differences vary by more than the rounding of subtracting numbers of size `scale`."""
    return bool(np.ptp(difference_N) > ROUNDING * np.maximum(scale, np.abs(difference_N).max()))


def paired_test(
    arm_N: FloatArray, baseline_N: FloatArray, *, margin: float | None = None, alpha: float = 0.05
) -> PairedTest:
    """Compare an arm with its baseline over N >= 1 pairs in the same order; `margin` is absolute.

    Raises:
        ValueError: a difference is not finite. NaN would otherwise pass for "no spread".
    """
    difference_N = arm_N - baseline_N
    if not np.isfinite(difference_N).all():
        raise ValueError(f"paired_test needs finite differences, and got {difference_N.tolist()}.")
    n = int(difference_N.size)
    mean = float(difference_N.mean())
    baseline_mean = float(baseline_N.mean())
    noisy = n > 1 and has_spread(difference_N, float(np.abs(baseline_N).max()))
    if not noisy:
        return PairedTest(
            n=n, mean=mean, sd=0.0 if n > 1 else None, baseline_mean=baseline_mean, level=1 - alpha, low=None,
            high=None, p=None, margin=margin, p_equivalence=None, p_permutation=None, d_z=None,
            is_deterministic=n > 1,
        )  # fmt: skip
    sd = float(difference_N.std(ddof=1))
    interval = stats.ttest_1samp(difference_N, 0.0).confidence_interval(1 - alpha)
    return PairedTest(
        n=n,
        mean=mean,
        sd=sd,
        baseline_mean=baseline_mean,
        level=1 - alpha,
        low=float(interval.low),
        high=float(interval.high),
        p=float(difference_p(difference_N)),
        margin=margin,
        p_equivalence=None if margin is None else float(equivalence_p(difference_N, margin)),
        p_permutation=permutation_p(difference_N) if margin is not None and n >= PERMUTATION_MIN_PAIRS else None,
        d_z=mean / sd,
        is_deterministic=False,
    )
