"""Several comparison groups: the probability of improvement, by its definition, and its sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from sdpa_exp.compare.run_compare import read_and_compare
from sdpa_exp.compare.statistics.across_groups import probability_of_improvement
from tests.compare.findings.provoke import found
from tests.compare.folders import turning, write_sweep

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_the_mean_over_groups_of_the_share_of_pairs_and_ties_count_half() -> None:
    first = (np.array([3.0, 1.0]), np.array([1.0, 2.0]))  # 3 > 1, 3 > 2, 1 = 1, 1 < 2: 2.5 of 4
    second = (np.array([5.0, 6.0, 7.0]), np.array([1.0]))
    value, low, high = probability_of_improvement([first, second])
    assert value == pytest.approx((2.5 / 4 + 1) / 2)
    assert low < value < high <= 1


def test_a_group_with_other_units_counts_like_any_other() -> None:
    rng = np.random.default_rng(1)
    groups = [(rng.normal(0, 1, 5), rng.normal(0, 1, 5)) for _ in range(3)]
    scaled = [(1000 * a, 1000 * b) if number == 1 else (a, b) for number, (a, b) in enumerate(groups)]
    assert probability_of_improvement(scaled) == probability_of_improvement(groups)


def test_its_interval_holds_a_half_in_most_experiments_without_an_effect() -> None:
    rng = np.random.default_rng(2)
    groups = [[(rng.normal(size=10), rng.normal(size=10)) for _ in range(4)] for _ in range(200)]
    inside = [low <= 0.5 <= high for _, low, high in map(probability_of_improvement, groups)]
    assert float(np.mean(inside)) > 0.88


def test_two_groups_are_summed_up_in_a_sentence_for_each_question_and_arm(tmp_path: Path) -> None:
    specs = [*turning(["stock", "sdpa"], [0, 1, 2]), *turning(["stock", "sdpa"], [0, 1, 2], batch=8)]
    sentences = [sentence for _, sentence in found(read_and_compare(write_sweep(tmp_path, specs)), "over-groups")]
    assert len(sentences) == 3
    assert sentences[1] == (
        "speed: over 2 comparison groups, a run of sdpa is better than one of stock with probability 1.00 (95 % "
        "stratified bootstrap interval 1.00 to 1.00; 0.5 is no difference)."
    )


def test_one_group_or_two_runs_are_not_summed_up(tmp_path: Path) -> None:
    for name, seeds, batches in (("one", [0, 1, 2], [16]), ("few", [0, 1], [8, 16])):
        specs = [spec for batch in batches for spec in turning(["stock", "sdpa"], seeds, batch=batch)]
        assert found(read_and_compare(write_sweep(tmp_path / name, specs)), "over-groups") == []
