"""Times several callables against each other: rounds in randomised order and its reverse (A B B A).

A round takes one sample of each callable in a random order, the next round the same in reverse, so that drift (heat,
clocks, neighbours) meets all of them alike and first and last place are shared. Ratios pair samples of one round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sdpa_exp.measure.clock import DeviceClock
from sdpa_exp.measure.interval import Ratio, ratio_of
from sdpa_exp.measure.warmup import WarmUp, calls_per_sample


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One callable, and what makes it ready: called before each of its samples, outside the timed window."""

    call: Callable[[], object]
    prepare: Callable[[], object] = lambda: None


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds per call, one sample a round, for each name.

    Attributes:
        seconds: name -> samples; a round has the same index in all of them.
        calls_per_sample: a sample is the mean of so many calls in a row.
        orders: the order of each round.
        stopped: why there are fewer rounds than asked for; None where there are not.
    """

    seconds: Mapping[str, np.ndarray]
    calls_per_sample: int
    orders: tuple[tuple[str, ...], ...]
    stopped: str | None

    @property
    def num_rounds(self) -> int:
        """Samples of each name."""
        return len(self.orders)

    def median_s(self, name: str) -> float:
        """Median seconds of one call."""
        return float(np.median(self.seconds[name]))

    def speedup(self, name: str, baseline: str) -> Ratio:
        """How many times faster than the baseline, with its interval."""
        return ratio_of(self.seconds[baseline], self.seconds[name])


class Rounds:
    """The orders of the rounds, drawn one after the other: a random order, then its reverse.

    Iterate over it once. A pair of rounds is started only if one like the last would fit into the time.

    Attributes:
        orders: of the rounds so far.
        stopped: why there are fewer rounds than asked for; None where there are not.
    """

    def __init__(self, names: Iterable[str], *, num: int, max_s: float, seed: Sequence[int], at_least: int = 2) -> None:
        """Draw nothing yet.

        Args:
            names: what takes part.
            num: rounds; an odd number is rounded up, since they come in pairs.
            max_s: seconds for all of them, from the first.
            seed: of the orders; another one for each measurement, lest one name comes first in all of them.
            at_least: rounds that are done whatever they take.
        """
        self._names, self._num, self._max_s, self._at_least = list(names), num, max_s, at_least
        self._rng = np.random.default_rng(list(seed))
        self.orders: list[tuple[str, ...]] = []
        self.stopped: str | None = None

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        """Each order in turn."""
        started_s = pair_started_s = time.perf_counter()
        while len(self.orders) < self._num:
            now_s = time.perf_counter()
            if len(self.orders) >= self._at_least and now_s - started_s + (now_s - pair_started_s) > self._max_s:
                self.stopped = (
                    f"{len(self.orders)} of {self._num} rounds: another two would not fit into {self._max_s:.2g} s"
                )
                return
            pair_started_s = now_s
            order = tuple(self._names[index] for index in self._rng.permutation(len(self._names)))
            for turn in (order, order[::-1]):
                self.orders.append(turn)
                yield turn


def time_interleaved(
    contestants: Mapping[str, Contestant],
    *,
    clock: DeviceClock,
    warm_ups: Mapping[str, WarmUp],
    rounds: int,
    max_s: float = float("inf"),
    seed: Sequence[int] = (0,),
) -> Timing:
    """Time them all, round by round.

    Args:
        contestants: name -> callable.
        clock: of their device.
        warm_ups: how long each takes, from `warm_up`.
        rounds: rounds at most; always an even number, since they come in pairs.
        max_s: no further pair of rounds is started when it would not fit; the first always is.
        seed: of the orders; another one for each measurement, lest one arm comes first in all of them.
    """
    per_sample = calls_per_sample(min(warm_ups[name].call_s for name in contestants))
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    turns = Rounds(contestants, num=rounds, max_s=max_s, seed=seed)
    for order in turns:
        for name in order:
            contestants[name].prepare()
            seconds[name].append(clock.seconds(contestants[name].call, num_calls=per_sample))
    return Timing(
        seconds={name: np.array(values) for name, values in seconds.items()},
        calls_per_sample=per_sample,
        orders=tuple(turns.orders),
        stopped=turns.stopped,
    )
