"""The statistics of paired differences, as pure functions over arrays: S simulations or none, N pairs.

Nothing here knows about runs, arms or words. p-values are two-sided unless they say otherwise. Times are compared as
ratios, on the scale of logarithms, by trimmed means (`trim.py`); with nothing trimmed that is the t-test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from sdpa_exp.compare.statistics.trim import FloatArray, location, num_to_trim

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
        mean, sd: of the differences; sd is None for one pair. Of ratios: mean is (typical ratio - 1) * baseline_mean,
            sd that of the logarithms times baseline_mean; with trimming, sd is n**0.5 times the standard error.
        baseline_mean: mean of the baseline over the same pairs, trimmed as the differences are.
        low, high: t interval of the mean difference at `level`; None without spread.
        p: paired t-test; of the trimmed mean of logarithms where `is_ratio`.
        p_equivalence: TOST against `margin` (the larger of the two one-sided p-values).
        p_permutation: sign-flip permutation test, from 6 pairs on, where there is a margin (a declared metric).
        d_z: Cohen's d_z, mean over sd of the differences.
        is_deterministic: two pairs or more whose differences do not vary: there is no noise to test against.
        is_ratio: arm over baseline was compared on the scale of logarithms, as times are.
        num_trimmed: pairs left out at each end.
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
    is_ratio: bool = False
    num_trimmed: int = 0

    def interval(self, level: float) -> tuple[float, float] | None:
        """The t interval of the mean difference at another level; None without spread."""
        if not self.standard_error:
            return None
        freedom = self.n - 2 * self.num_trimmed - 1
        half_width = float(stats.t.ppf((1 + level) / 2, freedom)) * self.standard_error
        if not self.is_ratio:
            return self.mean - half_width, self.mean + half_width
        ratio, factor = 1 + self.mean / self.baseline_mean, float(np.exp(half_width / self.baseline_mean))
        return self.baseline_mean * (ratio / factor - 1), self.baseline_mean * (ratio * factor - 1)

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


def difference_p(difference_SN: FloatArray, trim: int = 0) -> FloatArray:
    """Paired t-test, along the last axis: the one-sample test of the differences against 0."""
    mean_S, error_S, freedom = location(difference_SN, trim)
    return np.asarray(2 * stats.t.sf(np.abs(mean_S) / error_S, freedom), dtype=np.float64)


def equivalence_p(difference_SN: FloatArray, margin: float, trim: int = 0) -> FloatArray:
    """TOST (Schuirmann 1987), along the last axis: null hypothesis |mean| >= margin."""
    mean_S, error_S, freedom = location(difference_SN, trim)
    return np.asarray(stats.t.sf((margin - np.abs(mean_S)) / error_S, freedom), dtype=np.float64)


def permutation_p(difference_N: FloatArray, trim: int = 0) -> float:
    """Sign-flip permutation test of the mean difference: exact up to 16 pairs, else 9,999 seeded draws."""
    exact = difference_N.size <= PERMUTATION_MAX_EXACT
    result = stats.permutation_test(
        (difference_N,),
        lambda sample, axis: np.sort(sample, axis=axis)[..., trim : difference_N.size - trim].mean(axis=axis),
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
    arm_N: FloatArray, baseline_N: FloatArray, *, margin: float | None = None, alpha: float = 0.05, ratio: bool = False
) -> PairedTest:
    """Compare an arm with its baseline over N >= 1 pairs in the same order; `margin` is in the unit of the values.

    With `ratio`, arm over baseline is compared instead, so that a slow run or two don't decide; all values must be
    above 0, else it is the difference that is compared.

    Raises:
        ValueError: a difference is not finite. NaN would otherwise pass for "no spread".
    """
    difference_N = arm_N - baseline_N
    if not np.isfinite(difference_N).all():
        raise ValueError(f"paired_test needs finite differences, and got {difference_N.tolist()}.")
    ratio = ratio and bool(min(arm_N.min(), baseline_N.min()) > 0)
    n, trim = int(difference_N.size), num_to_trim(difference_N.size) if ratio else 0
    trim = trim if location(difference_N, trim)[1] else 0  # all that would be left is equal
    unit = float(np.sort(baseline_N)[trim : n - trim].mean())  # of ratios: what one stands for
    mean = float(difference_N.mean())
    noisy = n > 1 and has_spread(difference_N, float(np.abs(baseline_N).max()))
    if ratio:
        difference_N = np.log(arm_N / baseline_N)
        noisy = noisy and has_spread(difference_N, 1.0)
        mean = unit * float(np.expm1(location(difference_N, trim)[0])) if noisy or n == 1 else mean
    if not noisy:
        return PairedTest(
            n=n, mean=mean, sd=0.0 if n > 1 else None, baseline_mean=unit, level=1 - alpha, low=None,
            high=None, p=None, margin=margin, p_equivalence=None, p_permutation=None, d_z=None,
            is_deterministic=n > 1,
        )  # fmt: skip
    limit = margin if margin is None or not ratio else float(np.log1p(margin / unit))
    center, error, _ = location(difference_N, trim)
    sd = float(error) * n**0.5
    test = PairedTest(
        n=n,
        mean=mean,
        sd=sd * unit if ratio else sd,
        baseline_mean=unit,
        level=1 - alpha,
        low=None,
        high=None,
        p=float(difference_p(difference_N, trim)),
        margin=margin,
        p_equivalence=None if limit is None else float(equivalence_p(difference_N, limit, trim)),
        p_permutation=permutation_p(difference_N, trim) if margin is not None and n >= PERMUTATION_MIN_PAIRS else None,
        d_z=float(center) / sd,
        is_deterministic=False,
        is_ratio=ratio,
        num_trimmed=trim,
    )
    low, high = test.interval(1 - alpha) or (None, None)
    return replace(test, low=low, high=high)
