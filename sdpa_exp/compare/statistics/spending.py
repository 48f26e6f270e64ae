"""Several looks at one comparison, as seeds are added, at levels that keep its error rate over all of them.

Testing again with more seeds, because the first were inconclusive, finds differences that aren't there in 10 to 18 %
instead of 5 %. With a largest number of seeds declared beforehand, each look spends a part of the level: that of Lan
and DeMets (1983) which is close to Pocock's, alpha ln(1 + (e - 1) t) at a share t of the seeds. A look beyond what was
declared, when all is spent, gets half of what is left of 15 % on top: less than 6 % in all at a level of 5 %.

The levels are those of a normal statistic, used as levels of the t-test (Pocock 1977 for known, DeMets and Lan 1994
for growing samples); `benchmarks/statistics_sizes.py` has what that comes to with few pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

from sdpa_exp.compare.statistics.trim import FloatArray

ON_TOP = 0.15  # of the level, for all looks beyond what was declared
NUM_POINTS = 801


def level_of_last_look(looks: Sequence[int], planned: int, alpha: float) -> float:
    """The level of a two-sided test at the last of the looks, which are rising numbers of pairs.

    The first look at all that was planned has `alpha` itself.
    """
    levels: list[float] = []
    inside: tuple[FloatArray, FloatArray] | None = None  # sums that no look has called different, and their density
    spent, before = 0.0, 0
    for number, look in enumerate(looks):
        total = _spent(look, planned, alpha, sum(each >= planned for each in looks[:number]))
        step = math.sqrt(look - before)
        limit = _limit(inside, step, total - spent)
        levels.append(float(2 * stats.norm.sf(limit / math.sqrt(look))))
        inside = _carried(inside, step, limit)
        spent, before = total, look
    return levels[-1]


def _spent(look: int, planned: int, alpha: float, num_beyond: int) -> float:
    """What may be spent up to a look; `num_beyond` looks at all that was planned, or more, came before it."""
    if look < planned:
        return alpha * math.log(1 + (math.e - 1) * look / planned)
    return alpha * (1 + ON_TOP * (1 - 0.5**num_beyond))


def _limit(inside: tuple[FloatArray, FloatArray] | None, step: float, spend: float) -> float:
    """The sum beyond which a look calls the arm different, so that it spends what it may."""
    if inside is None:
        return step * float(stats.norm.isf(spend / 2))
    sum_G, density_G = inside

    def excess(limit: float) -> float:
        beyond_G = stats.norm.sf((limit - sum_G) / step) + stats.norm.cdf((-limit - sum_G) / step)
        return float(np.trapezoid(density_G * beyond_G, sum_G)) - spend

    return float(optimize.brentq(excess, 0.0, float(sum_G[-1]) + 10 * step))


def _carried(inside: tuple[FloatArray, FloatArray] | None, step: float, limit: float) -> tuple[FloatArray, FloatArray]:
    """The density of sums after one more step, inside the limit."""
    next_H = np.linspace(-limit, limit, NUM_POINTS)
    if inside is None:
        return next_H, stats.norm.pdf(next_H, scale=step)
    sum_G, density_G = inside
    reached_HG = density_G * stats.norm.pdf(next_H[:, None] - sum_G, scale=step)
    return next_H, np.asarray(np.trapezoid(reached_HG, sum_G, axis=1))
