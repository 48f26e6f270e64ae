"""The time limit, divided among the cells, and the cells that it has no room for."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sdpa_exp.tasks.bench.cell import Cell

LEVEL_SHARES = {"op": 4.0, "module": 1.5, "inference": 0.5, "step": 4.0}
PATIENCE = 2.5
"""A cell may take so many times its share for the least that makes a row; beyond that it is dropped."""
_LEAST_CALLS = 4  # of each arm: two to warm up, two rounds
_MIN_TELLING_MS = 1.0  # shorter calls are overhead, and say nothing about larger ones


class CellDropped(Exception):  # noqa: N818 - a state of the cell; the task records it and goes on
    """A cell that can't be measured; the message is the reason."""


class Budget:
    """Gives each cell its seconds; what one leaves over goes to those after it.

    A level's share is divided by the root of what its cells cost: cheap ones get more rounds, costly ones more time.
    """

    def __init__(self, cells: Sequence[Cell], *, limit_s: float) -> None:
        totals: dict[str, float] = defaultdict(float)
        for cell in cells:
            totals[cell.level] += math.sqrt(cell.work)
        self._weights = {
            id(cell): LEVEL_SHARES[cell.level] * math.sqrt(cell.work) / totals[cell.level] for cell in cells
        }
        self._left = sum(self._weights.values())
        self._limit_s = limit_s
        self._started_s = time.perf_counter()

    @property
    def used_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started_s

    def share_s(self, cell: Cell) -> float:
        """Seconds for this cell; asked once for each, in order."""
        weight = self._weights[id(cell)]
        share_s = max(0.0, self._limit_s - self.used_s) * weight / self._left
        self._left = max(self._left - weight, weight * 1e-6)
        return share_s


def refuse_too_long(cell: Cell, measured: Sequence[tuple[Cell, Mapping[str, Any]]], share_s: float) -> None:
    """Refuse a cell that, by the one before it, can't be measured in anything like its share.

    Raises:
        CellDropped: with the time it would take.
    """
    medians_ms = [arm["median_ms"] for _, row in measured[-1:] for arm in row["arms"].values()]
    if cell.level != "op" or not medians_ms or min(medians_ms) < _MIN_TELLING_MS:
        return
    round_s = sum(medians_ms) / 1e3 * cell.work / measured[-1][0].work
    raise_if_too_long(_LEAST_CALLS * round_s, share_s)


def raise_if_too_long(least_s: float, share_s: float) -> None:
    """Raise where the least would take far longer than the share.

    Raises:
        CellDropped: with both.
    """
    if least_s > PATIENCE * share_s:
        raise CellDropped(
            f"two rounds and their warm-up would take about {least_s:.1f} s, and its share of bench.time_limit_s is "
            f"{share_s:.1f} s: raise that, or name fewer arms, levels or sizes"
        )
