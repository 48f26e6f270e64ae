"""Calls something until it is steady: the rule, and how it ended.

Steady means that the medians of two successive windows of two samples agree within 5 %. It is given up after
24 samples, or when its time is over; the record says which.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from sdpa_exp.measure.clock import DeviceClock

WINDOW = 2
TOLERANCE = 0.05
MAX_SAMPLES = 24
MIN_SAMPLE_S = 0.01
"""A sample is repeated calls until it takes about this long: neither the clock nor a lost time slice is most of it."""
RULE = (
    f"until the medians of two successive windows of {WINDOW} samples agree within {TOLERANCE:.0%}, "
    f"at most {MAX_SAMPLES} samples"
)


@dataclass(frozen=True, kw_only=True)
class WarmUp:
    """How one warm-up went.

    Attributes:
        num_calls: of the callable, all together.
        is_steady: whether the rule was met.
        call_s: seconds of one call at the end: the median of the last window.
        reason: why it was given up; None where it is steady.
    """

    num_calls: int
    is_steady: bool
    call_s: float
    reason: str | None = None


def warm_up(call: Callable[[], object], clock: DeviceClock, *, max_s: float) -> WarmUp:
    """Call until steady; at least twice, however long it takes.

    Args:
        call: what will be timed.
        clock: of its device.
        max_s: no further sample is started after this many seconds.
    """
    started_s = time.perf_counter()
    clock.seconds(call)  # compiles, allocates, picks kernels: never a sample
    samples = [clock.seconds(call)]
    per_sample = calls_per_sample(samples[0])
    num_calls = 2
    while True:
        if is_steady(samples):
            return WarmUp(num_calls=num_calls, is_steady=True, call_s=statistics.median(samples[-WINDOW:]))
        reason = None
        if len(samples) >= MAX_SAMPLES:
            reason = f"not steady after {MAX_SAMPLES} samples"
        elif time.perf_counter() - started_s > max_s:
            reason = f"its {max_s:.2g} s for warm-up were over"
        if reason is not None:
            return WarmUp(
                num_calls=num_calls, is_steady=False, call_s=statistics.median(samples[-WINDOW:]), reason=reason
            )
        samples.append(clock.seconds(call, num_calls=per_sample))
        num_calls += per_sample


def is_steady(samples: list[float]) -> bool:
    """Whether the last two windows agree."""
    if len(samples) < 2 * WINDOW:
        return False
    before = statistics.median(samples[-2 * WINDOW : -WINDOW])
    after = statistics.median(samples[-WINDOW:])
    return abs(after - before) <= TOLERANCE * min(before, after)


def calls_per_sample(call_s: float) -> int:
    """How many calls make a sample long enough for the clock."""
    return max(1, min(10_000, math.ceil(MIN_SAMPLE_S / max(call_s, 1e-9))))
