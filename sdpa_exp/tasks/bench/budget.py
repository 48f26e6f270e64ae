"""The time limit, divided among the cases, and the cases that it has no room for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sdpa_exp.tasks.bench.case import Case

LEVEL_SHARES = {"step": 8.0, "inference": 1.0, "module": 1.0, "op": 3.0}
"""How the time is divided among the levels; what one leaves over goes to those after it."""
PROOF_SHARE = 0.3
"""Of the whole time: proofs run each arm's case three times more, under the profiler."""
MAX_CASE_SHARE = 0.2
"""Of what its level has left, while there are many cases: cheap cases, which come first, get all their rounds."""
PATIENCE = 1.5
"""A case may take so many times its share for the least that makes a row; beyond that it is dropped."""
_LEAST_CALLS = 4  # of each arm: two to warm up, two rounds
_PROOF_CALLS = 3  # of each arm: two for the kernels, one for the memory
_MIN_TELLING_MS = 1.0  # shorter calls are overhead, and say nothing about larger ones


class CaseDropped(Exception):  # noqa: N818 - a state of the case; the task records it and goes on
    """A case that can't be measured; the message is the reason, `needs_s` the time it would take where that is it."""

    def __init__(self, reason: str, *, needs_s: float | None = None) -> None:
        super().__init__(reason)
        self.needs_s = needs_s


class Budget:
    """Gives each case its seconds, in the order of the cases: level by level, cheap cases first."""

    def __init__(self, cases: Sequence[Case], *, limit_s: float) -> None:
        self._num_left = Counter(case.level for case in cases)
        self._deadlines_s: dict[str, float] = {}
        self._started_s = time.perf_counter()
        self._end_s = self._started_s + (1 - PROOF_SHARE) * limit_s
        self._last_s = self._started_s + limit_s

    @property
    def used_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started_s

    def has_room_to_prove(self, row: Mapping[str, Any], *, energy_s: float) -> bool:
        """Whether the proofs of a timed case, and a window of energy for each arm, fit into what is left."""
        calls_s = sum(float(arm["median_ms"]) for arm in row["arms"].values()) / 1e3
        return time.perf_counter() + _PROOF_CALLS * calls_s + energy_s * len(row["arms"]) <= self._last_s

    def share_s(self, case: Case) -> float:
        """Seconds for this case; asked once for each, in order."""
        now_s, level = time.perf_counter(), case.level
        if level not in self._deadlines_s:
            shares = sum(LEVEL_SHARES[other] for other, count in self._num_left.items() if count)
            self._deadlines_s[level] = now_s + (self._end_s - now_s) * LEVEL_SHARES[level] / shares
        share = max(MAX_CASE_SHARE, 1 / self._num_left[level])
        self._num_left[level] -= 1
        return max(0.0, self._deadlines_s[level] - now_s) * share


def refuse_too_long(case: Case, measured: Sequence[tuple[Case, Mapping[str, Any]]], share_s: float) -> None:
    """Refuse a case that, by the one before it, can't be measured in anything like its share.

    Raises:
        CaseDropped: with the time it would take.
    """
    before = [row for other, row in measured[-1:] if other.level == case.level]
    medians_ms = [arm["median_ms"] for row in before for arm in row["arms"].values()]
    if case.level != "op" or not medians_ms or min(medians_ms) < _MIN_TELLING_MS:
        return
    round_s = sum(medians_ms) / 1e3 * case.work / measured[-1][0].work
    raise_if_too_long(_LEAST_CALLS * round_s, share_s)


def raise_if_too_long(least_s: float, share_s: float) -> None:
    """Raise where the least would take far longer than the share.

    Raises:
        CaseDropped: with both.
    """
    if least_s > PATIENCE * share_s:
        raise CaseDropped(
            f"two rounds and their warm-up would take about {least_s:.1f} s, and its share of bench.time_limit_s is "
            f"{share_s:.1f} s: raise that, or name fewer arms, levels or sizes",
            needs_s=least_s,
        )
