"""Known answers: published examples, and scipy against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from sdpa_exp.compare.statistics.holm import holm, holm_levels
from sdpa_exp.compare.statistics.paired import describe, equivalence_p, paired_test, permutation_p
from sdpa_exp.compare.statistics.power import (
    detectable_effect,
    difference_power,
    pooled_sd,
    sd_limits,
    seeds_needed,
    seeds_to_settle,
)

# Cushny and Peebles (1905), the data of Student (1908): hours of extra sleep of ten patients under two drugs.
SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
# Darwin (1876), in Fisher, The Design of Experiments (1935), section 21: crossed minus self-fertilised maize, in 1/8
# of an inch. Of 32,768 sign patterns, 863 reach a sum of 314 or more.
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=np.float64)


def test_paired_t_test_gives_students_sleep_result_as_r_prints_it() -> None:
    test = paired_test(SLEEP_1, SLEEP_2, margin=0.5)
    assert test.mean == pytest.approx(-1.58)
    assert test.p == pytest.approx(0.002833, abs=5e-7)
    assert test.low == pytest.approx(-2.4598858, abs=5e-8)
    assert test.high == pytest.approx(-0.7001142, abs=5e-8)
    assert test.d_z == pytest.approx(-4.0621 / np.sqrt(10), abs=5e-5)


def test_tost_gives_the_sleep_example_of_the_toster_vignette() -> None:
    """TOSTER prints t = -2.777, p = 0.989 for the lower and t = -5.348, p < 0.001 for the upper bound of 0.5 h."""
    assert float(equivalence_p(SLEEP_1 - SLEEP_2, 0.5)) == pytest.approx(0.989, abs=5e-4)


@pytest.mark.parametrize("margin", [0.5, 1.58, 3.0])
def test_tost_equals_statsmodels(margin: float) -> None:
    expected = ttost_paired(SLEEP_1, SLEEP_2, -margin, margin)[0]
    assert float(equivalence_p(SLEEP_1 - SLEEP_2, margin)) == pytest.approx(float(expected), rel=1e-12)


def test_permutation_test_gives_fishers_maize_result() -> None:
    assert permutation_p(MAIZE) == pytest.approx(2 * 863 / 32768, rel=1e-12)


def test_permutation_test_appears_from_six_pairs_on() -> None:
    assert paired_test(MAIZE[:5], np.zeros(5), margin=1.0).p_permutation is None
    assert paired_test(MAIZE[:6], np.zeros(6), margin=1.0).p_permutation == pytest.approx(44 / 64)  # counted by hand


def test_holm_gives_the_adjusted_p_values_of_the_textbook_example() -> None:
    """0.01, 0.04, 0.03, 0.005: the worked example in Wikipedia's Holm-Bonferroni method."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("p_values", [[], [0.7], [0.4, 0.9, 0.001, 0.02, 0.02]])
def test_holm_equals_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]) if p_values else [])


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 20])
def test_power_grows_with_effect_and_pairs_where_scipys_noncentral_t_is_nan(alpha: float) -> None:
    effects, pairs = (0.5, 1.0, 2.0, 5.0, 10.0, 50.0), (2, 3, 5, 10, 20, 100, 400, 1000)
    table = np.array([[difference_power(d_z, n, alpha) for n in pairs] for d_z in effects])
    assert (np.diff(table, axis=0) >= 0).all()
    assert (np.diff(table, axis=1) >= 0).all()


@pytest.mark.parametrize(("d_z", "n"), [(0.1, 2), (2.0, 2), (10.0, 2), (1.0, 5), (0.5, 34), (0.1, 600)])
def test_power_equals_statsmodels_where_that_answers(d_z: float, n: int) -> None:
    expected = float(TTestPower().power(d_z, n, 0.05))
    assert difference_power(d_z, n) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("num_arms", [1, 2, 3, 8, 20])
@pytest.mark.parametrize("n", [2, 3, 5, 200])
def test_the_detectable_effect_has_power_0_8_at_every_level(n: int, num_arms: int) -> None:
    """statsmodels' solver gives 10.0, the edge of its range, for n = 2 and two arms or more."""
    alpha = 0.05 / num_arms
    assert difference_power(detectable_effect(1.0, n, alpha=alpha), n, alpha) == pytest.approx(0.8, abs=1e-5)


@pytest.mark.parametrize(("n", "half_width"), [(2, 4.46), (5, 0.95), (10, 0.58)])
def test_half_width_of_the_90_percent_interval_in_standard_deviations(n: int, half_width: float) -> None:
    values = np.arange(n, dtype=np.float64)
    test = paired_test(values, np.zeros(n), alpha=0.1)
    assert test.low is not None
    assert test.sd is not None
    assert (test.mean - test.low) / test.sd == pytest.approx(half_width, abs=0.005)


def test_34_pairs_find_half_a_standard_deviation_with_power_0_8() -> None:
    """Cohen (1988) and G*Power: paired t-test, d_z = 0.5, two-sided 0.05: n = 34."""
    assert difference_power(0.5, 34) > 0.8 > difference_power(0.5, 33)
    assert detectable_effect(1.0, 34) == pytest.approx(0.5, abs=0.006)


def test_seeds_to_settle_is_the_sample_size_of_tost() -> None:
    few = seeds_to_settle(1.0, 1.0)
    assert few is not None
    assert 8 < few < 14  # normal approximation of Chow, Shao and Wang (2008): (1.645 + 1.282)**2 = 8.6
    assert seeds_to_settle(1.0, 0.001) is None
    assert seeds_to_settle(1e-9, 1.0) == 2


@pytest.mark.parametrize("sd", [0.5, 1.0, 3.0])
def test_that_many_seeds_find_a_difference_of_the_margin_too(sd: float) -> None:
    num_seeds = seeds_to_settle(sd, 1.0)
    assert num_seeds is not None
    assert difference_power(1.0 / sd, num_seeds) > 0.8


def test_seeds_are_planned_for_an_sd_that_is_not_known_well() -> None:
    needed = seeds_needed(1.0, 4, 1.0)
    assert needed.least is not None
    assert needed.plan is not None
    assert needed.most is not None
    assert needed.least < (seeds_to_settle(1.0, 1.0) or 0) < needed.plan < needed.most
    assert (seeds_needed(1.0, 400, 1.0).plan or 0) - (seeds_to_settle(1.0, 1.0) or 0) in (0, 1)


def test_arms_against_one_baseline_know_the_sd_better_together() -> None:
    assert pooled_sd([3.0, 4.0], 5) == pytest.approx((12.5**0.5, 6.4))
    assert pooled_sd([3.0], 5) == pytest.approx((3.0, 4))


def test_the_limits_of_a_standard_deviation_are_those_of_the_tables() -> None:
    """Any table of chi-square: 2.700 and 19.023 at 9 degrees of freedom, 95 %."""
    assert sd_limits(1.0, 9) == pytest.approx(((9 / 19.023) ** 0.5, (9 / 2.700) ** 0.5), rel=1e-3)


@pytest.mark.parametrize("p_values", [[0.03], [0.001, 0.02, 0.04], [0.001, 0.03, 0.6], [0.6, 0.5, 0.4], [0.02, 0.02]])
def test_holms_levels_decide_as_holms_adjusted_p_values_do(p_values: list[float]) -> None:
    by_level = [p < level for p, level in zip(p_values, holm_levels(p_values, 0.05), strict=True)]
    assert by_level == [p < 0.05 for p in holm(p_values)]


def test_zero_spread_is_deterministic_and_never_a_p_value() -> None:
    test = paired_test(np.array([0.5, 0.6]), np.array([0.4, 0.5]), margin=0.01)
    assert test.is_deterministic
    assert (test.p, test.p_equivalence, test.low, test.d_z) == (None, None, None, None)


def test_rounding_of_the_subtraction_is_not_spread() -> None:
    base = np.array([0.1, 0.7, 1e3])
    assert paired_test(base + 0.1, base).is_deterministic


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_difference_that_is_no_number_never_passes_for_no_spread(lost: float, place: int) -> None:
    values = np.array([0.5, 0.6, 0.7])
    values[place] = lost
    with pytest.raises(ValueError, match="needs finite differences"):
        paired_test(values, np.zeros(3), margin=0.01)


def test_one_pair_is_described_and_not_tested() -> None:
    test = paired_test(np.array([2.0]), np.array([1.0]), margin=0.1)
    assert (test.n, test.mean, test.sd, test.p, test.is_deterministic) == (1, 1.0, None, None, False)


def test_description_has_no_spread_for_one_run_and_no_cv_around_zero() -> None:
    assert describe(np.array([3.0])).sd is None
    assert describe(np.array([-1.0, 1.0])).cv is None
