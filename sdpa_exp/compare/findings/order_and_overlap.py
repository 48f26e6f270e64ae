"""Findings about when runs ran: all of an arm first, always before the baseline, or two at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sdpa_exp.compare.findings.finding import Finding
from sdpa_exp.compare.findings.stragglers_and_drift import MIN_RUNS
from sdpa_exp.compare.load.groups import GroupRuns, usable
from sdpa_exp.compare.load.run import Run
from sdpa_exp.runs.record import waited_for_gpu


def one_after_the_other(group: GroupRuns, baseline: str) -> Iterator[Finding]:
    """Arms that ran one after the other instead of in turns."""
    finished = [run for run in group.runs if run.is_finished]
    begun = {id(run): _time(run.started_at) for run in finished}
    if any(time is None for time in begun.values()):
        begun = {id(run): run.num for run in finished}
    for arm in group.arms:
        places = sorted(p for run in finished if run.arm == arm and (p := begun[id(run)]) is not None)
        base = sorted(p for run in finished if run.arm == baseline and (p := begun[id(run)]) is not None)
        apart = places and base and (places[-1] < base[0] or base[-1] < places[0])
        if arm != baseline and apart and min(len(places), len(base)) > 1:
            first, second = (arm, baseline) if places[-1] < base[0] else (baseline, arm)
            yield Finding(
                code="order-confounded",
                severity="warning",
                sentence=f"All runs of {first} came before all runs of {second}: warming up or drift of the machine "
                f"looks like an effect of the arm. Put the seed first, so that arms alternate.",
                evidence={"first": first, "second": second},
            )


def fixed_order(group: GroupRuns, baseline: str) -> Iterator[Finding]:
    """Arms that came before, or after, the baseline at every seed, although they took turns."""
    base = usable(group, baseline)
    for arm in group.arms:
        pairs = [(run.num, base[seed].num) for seed, run in usable(group, arm).items() if seed in base]
        gaps = [own - other for own, other in pairs if own is not None and other is not None]
        if arm != baseline and len(gaps) >= MIN_RUNS and (max(gaps) < 0 or min(gaps) > 0):
            first, second = (arm, baseline) if max(gaps) < 0 else (baseline, arm)
            yield Finding(
                code="order-fixed",
                severity="info",
                sentence=f"{first} ran before {second} at all {len(gaps)} seeds, so that drift of the machine looks "
                f"like an effect of the arm. A sweep of this version turns the order round at every other seed.",
                evidence={"first": first, "second": second},
            )


def at_the_same_time(group: GroupRuns) -> Iterator[Finding]:
    """Runs that shared a device."""
    overlaps = _overlaps([run for run in group.runs if run.is_finished])
    if overlaps:
        a, b = overlaps[0]
        yield Finding(
            code="runs-overlapped",
            severity="warning",
            sentence=f"{len(overlaps)} pairs of runs were on one device at the same time ({a.label} and {b.label}, for "
            f"one): their times mean nothing.",
            evidence={"pairs": [[a.label, b.label] for a, b in overlaps[:20]]},
        )


def _overlaps(runs: Sequence[Run]) -> list[tuple[Run, Run]]:
    """All pairs on one device, by host and GPU, of which the second began before the first ended."""
    spans = [(b, e, run) for run in runs if (b := _time(run.started_at)) and (e := _time(run.ended_at))]
    spans.sort(key=lambda span: span[0])
    found: list[tuple[Run, Run]] = []
    at_work: list[tuple[float, Run]] = []
    for begin, end, run in spans:
        at_work = [(until, other) for until, other in at_work if begin < until]
        if not waited_for_gpu(run.warnings):  # then it began after them
            found += [(other, run) for _, other in at_work if _device(other) == _device(run)]
        at_work.append((end, run))
    return found


def _device(run: Run) -> tuple[Any, Any]:
    """Host and GPU of a run; None for what its folder does not say, so that it counts as the same."""
    return run.environment.get("host"), run.environment.get("gpu_uuid")


def _time(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None
