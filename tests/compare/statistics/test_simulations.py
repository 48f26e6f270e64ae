"""Simulations of what is offered beyond plain tests: the A/A control, and the seeds that would settle a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from sdpa_exp.compare.statistics.aa_control import mean_of_copies
from sdpa_exp.compare.statistics.paired import difference_p, equivalence_p
from sdpa_exp.compare.statistics.power import seeds_to_settle

if TYPE_CHECKING:
    from sdpa_exp.compare.statistics.trim import FloatArray

NUM = 20_000


def _three(num_seeds: int, *, effect: float = 0.0, num: int = NUM) -> list[FloatArray]:
    """Runs of an arm, the baseline and its copy: a common part of the seed, and noise of SD 1 each."""
    rng = np.random.default_rng(5)
    of_seed = rng.normal(0, 10, (num, num_seeds))
    return [of_seed + shift + rng.normal(0, 1, (num, num_seeds)) for shift in (effect, 0.0, 0.0)]


def test_more_seeds_help_where_a_floor_would_not_let_them() -> None:
    """An effect of 0.8 SD of the differences, in 2,000 experiments."""
    effect = 0.8 * 2**0.5
    found, passed_a_floor = [], []
    for num_seeds in (5, 20, 200):
        arm, baseline, copy = _three(num_seeds, effect=effect, num=NUM // 10)
        found.append(float((difference_p(arm - mean_of_copies(baseline, copy)) < 0.05).mean()))
        floor = np.sqrt(((copy - baseline) ** 2).mean(axis=1))
        passed_a_floor.append(float((np.abs((arm - baseline).mean(axis=1)) > floor).mean()))
    assert found[0] < found[1] <= found[2]
    assert found[2] > 0.999
    assert passed_a_floor[2] < 0.05


@pytest.mark.parametrize("num_seeds", [5, 10, 20])
def test_the_copy_makes_effects_easier_to_find(num_seeds: int) -> None:
    arm, baseline, copy = _three(num_seeds, effect=1.0)
    with_copy = float((difference_p(arm - mean_of_copies(baseline, copy)) < 0.05).mean())
    assert with_copy > float((difference_p(arm - baseline) < 0.05).mean()) + 0.02


@pytest.mark.parametrize("sd_in_margins", [1.0, 3.0, 6.0])
def test_the_seeds_that_would_settle_it_do_so_in_80_percent(sd_in_margins: float) -> None:
    num_seeds = seeds_to_settle(sd_in_margins, 1.0)
    assert num_seeds is not None
    differences = np.random.default_rng(6).normal(0, sd_in_margins, (4000, num_seeds))
    settled = float((equivalence_p(differences, 1.0) < 0.05).mean())
    assert 0.77 < settled < 0.86  # 0.8 at least, as whole seeds allow
