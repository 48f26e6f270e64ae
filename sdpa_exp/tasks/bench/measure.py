"""Times one case: every arm warmed up until steady, then all of them round by round."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from sdpa_exp.measure.clock import DeviceClock
from sdpa_exp.measure.drift import MAX_DRIFT, ReferenceOperation, drift_of
from sdpa_exp.measure.interleaved import Contestant, Timing, time_interleaved
from sdpa_exp.measure.out_of_memory import is_out_of_memory
from sdpa_exp.measure.warmup import WarmUp, warm_up
from sdpa_exp.tasks.bench.arms import baseline_of
from sdpa_exp.tasks.bench.budget import CaseDropped, raise_if_too_long
from sdpa_exp.tasks.bench.case import Arms, Case, Entry, describe_failure

_WARM_UP_SHARE = 0.25


def measure_case(
    case: Case,
    arms: Arms,
    *,
    clock: DeviceClock,
    reference: ReferenceOperation,
    baseline: str | None,
    rounds: int,
    share_s: float,
    seed: tuple[int, ...],
) -> dict[str, Any]:
    """The row of a case.

    Args:
        case: what is timed.
        arms: label -> backend, those that were asked for.
        clock: of the device.
        reference: shows whether the machine changed meanwhile.
        baseline: the arm that was asked for as baseline; None for the level's own.
        rounds: at most.
        share_s: seconds for this case: warm-up and rounds together.
        seed: of the order of the arms.

    Raises:
        CaseDropped: no arm can run, or two rounds would take far longer than the case's share.
    """
    started_s = time.perf_counter()
    left_out = {label: reason for label, reason in case.refused.items() if label in arms}
    able = {label: name for label, name in arms.items() if label not in left_out}
    if not able:
        raise CaseDropped("no arm can run: " + "; ".join(f"{label}: {why}" for label, why in left_out.items()))
    try:
        entries = case.build(able)
    except (RuntimeError, MemoryError) as error:
        raise CaseDropped(describe_failure(error)) from error
    warm = _warm_up(entries, clock, share_s=share_s, left_out=left_out)
    if not warm:
        raise CaseDropped("; ".join(f"{label}: {why}" for label, why in left_out.items()))
    raise_if_too_long(2 * sum(warm[label].call_s for label in warm), share_s)
    contestants = {label: Contestant(call=entries[label].call, prepare=entries[label].prepare) for label in warm}
    before_s = reference.seconds()
    try:
        timing = time_interleaved(
            contestants,
            clock=clock,
            warm_ups=warm,
            rounds=rounds,
            max_s=max(0.0, share_s - (time.perf_counter() - started_s)),
            seed=seed,
        )
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise CaseDropped(describe_failure(error)) from error
    drift = drift_of(before_s, reference.seconds())
    chosen = baseline_of(baseline, list(warm), level=case.level)
    return {
        **case.head(),
        "baseline": chosen,
        "baseline_reason": None if chosen else f"baseline={baseline} can't run here: {left_out.get(baseline or '')}",
        "rounds": timing.num_rounds,
        "stopped": timing.stopped,
        "calls_per_sample": timing.calls_per_sample,
        "reference_drift": drift,
        "is_drifted": abs(drift) > MAX_DRIFT,
        "left_out": left_out,
        "arms": {label: _arm(label, timing, warm[label], chosen, case) for label in warm},
        "seconds": {label: [round(float(x), 9) for x in timing.seconds[label]] for label in warm},
        "orders": ["".join(f"{label} " for label in order).strip() for order in timing.orders],
    }


def _warm_up(
    entries: dict[str, Entry], clock: DeviceClock, *, share_s: float, left_out: dict[str, str]
) -> dict[str, WarmUp]:
    """Warm every arm up; one that fails goes to `left_out`, and the others go on.

    Raises:
        CaseDropped: warming up alone takes far longer than the case's share.
    """
    warm: dict[str, WarmUp] = {}
    started_s = time.perf_counter()
    for label, entry in entries.items():
        if warm:  # what the first arms took tells what all of them will
            so_far_s = (time.perf_counter() - started_s) / len(warm)
            raise_if_too_long(so_far_s * len(entries), share_s)
        entry.prepare()
        try:
            warm[label] = warm_up(entry.call, clock, max_s=_WARM_UP_SHARE * share_s / len(entries))
        except (RuntimeError, MemoryError) as error:
            left_out[label] = describe_failure(error)
    return warm


def _arm(label: str, timing: Timing, warm: WarmUp, baseline: str | None, case: Case) -> dict[str, Any]:
    milliseconds = timing.seconds[label] * 1e3
    q1, median, q3, p95 = (float(x) for x in np.quantile(milliseconds, [0.25, 0.5, 0.75, 0.95]))
    return {
        "median_ms": median,
        "q1_ms": q1,
        "q3_ms": q3,
        "p95_ms": p95,
        "speedup": None if baseline is None else timing.speedup(label, baseline).to_list(),
        f"{case.facts['items']}_per_s": case.facts["num_items"] / (median / 1e3),
        "warm_up": asdict(warm),
    }
