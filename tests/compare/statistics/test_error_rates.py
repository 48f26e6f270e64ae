"""What the rule does over many experiments: error rates under the null, power under a planted effect."""

from __future__ import annotations

import numpy as np
import pytest

from sdpa_exp.compare.statistics.holm import holm
from sdpa_exp.compare.statistics.paired import difference_p, equivalence_p, paired_test
from sdpa_exp.compare.statistics.power import detectable_effect, difference_power, equivalence_power
from sdpa_exp.compare.verdict import decide

NUM_EXPERIMENTS = 20_000
# Four standard errors of a share of 0.05 among 20,000.
TOLERANCE = 4 * np.sqrt(0.05 * 0.95 / NUM_EXPERIMENTS)


def _differences(mean: float, num_seeds: int, seed: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(mean, 1.0, (NUM_EXPERIMENTS, num_seeds))


@pytest.mark.parametrize("num_seeds", [2, 5, 10])
def test_equal_arms_are_called_different_in_5_percent_of_experiments(num_seeds: int) -> None:
    assert float((difference_p(_differences(0.0, num_seeds)) < 0.05).mean()) == pytest.approx(0.05, abs=TOLERANCE)


@pytest.mark.parametrize(("effect", "num_seeds"), [(1.0, 5), (1.5, 5), (0.5, 20)])
def test_a_planted_effect_is_found_as_often_as_the_power_says(effect: float, num_seeds: int) -> None:
    found = float((difference_p(_differences(effect, num_seeds)) < 0.05).mean())
    assert found == pytest.approx(difference_power(effect, num_seeds), abs=0.015)


def test_the_detectable_effect_is_found_in_80_percent_of_experiments() -> None:
    effect = detectable_effect(1.0, 5)
    assert float((difference_p(_differences(effect, 5)) < 0.05).mean()) == pytest.approx(0.8, abs=0.015)


@pytest.mark.parametrize("num_seeds", [5, 10])
def test_arms_that_differ_by_the_margin_are_called_equivalent_in_at_most_5_percent(num_seeds: int) -> None:
    assert float((equivalence_p(_differences(2.0, num_seeds), 2.0) < 0.05).mean()) <= 0.05 + TOLERANCE


@pytest.mark.parametrize(("difference", "margin", "num_seeds"), [(0.0, 1.0, 10), (0.5, 2.0, 8), (0.0, 3.0, 3)])
def test_tost_succeeds_as_often_as_its_power_says(difference: float, margin: float, num_seeds: int) -> None:
    passed = float((equivalence_p(_differences(difference, num_seeds), margin) < 0.05).mean())
    assert passed == pytest.approx(equivalence_power(difference, 1.0, margin, num_seeds), abs=0.015)


def test_the_interval_covers_the_true_difference_in_95_percent_at_two_seeds() -> None:
    tests = [paired_test(row, np.zeros(2)) for row in _differences(0.0, 2)[:1500]]
    covered = np.mean([test.low <= 0 <= test.high for test in tests if test.low is not None and test.high is not None])
    assert float(covered) == pytest.approx(0.95, abs=0.0225)  # four standard errors


def test_three_equal_arms_give_a_false_difference_in_at_most_5_percent_of_sweeps() -> None:
    rng = np.random.default_rng(3)
    baseline = rng.normal(size=(4000, 1, 5))
    p = difference_p(rng.normal(size=(4000, 3, 5)) - baseline)
    false = np.mean([any(value < 0.05 for value in holm(list(row))) for row in p])
    assert float(false) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize(
    ("p", "p_equivalence", "kind"),
    [
        (0.01, 0.6, "different"),
        (0.01, 0.01, "different but within the margin"),
        (0.6, 0.01, "equivalent"),
        (0.6, 0.6, "inconclusive"),
    ],
)
def test_two_tests_give_four_verdicts(p: float, p_equivalence: float, kind: str) -> None:
    assert decide(p, p_equivalence, 0.05) == kind
