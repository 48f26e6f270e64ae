"""Findings about the times of runs: stragglers by name, and drift over the sweep."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sdpa_exp.compare import numbers
from sdpa_exp.compare.findings.finding import Finding, listed
from sdpa_exp.compare.load.groups import GroupRuns, usable
from sdpa_exp.compare.load.run import CSV_TIME, Run
from sdpa_exp.compare.statistics.drift import drift
from sdpa_exp.compare.statistics.trim import FloatArray

_TIMES = ("train_s", CSV_TIME)
MIN_RUNS = 5
OUTLYING_SDS = 5.0
OUTLYING_SHARE = 0.05
NORMAL_MAD = 1.4826  # SD over median absolute deviation, of a normal distribution


def outlying(group: GroupRuns) -> Iterator[Finding]:
    """Runs whose time is far from the median of their arm: 5 robust SDs of all arms, and 5 %."""
    for metric in _TIMES:
        timed = {arm: [run for run in usable(group, arm).values() if metric in run.metrics] for arm in group.arms}
        off: list[tuple[Run, float]] = []
        for runs in timed.values():
            if len(runs) >= MIN_RUNS:
                log_N = _logs(runs, metric)
                off += zip(runs, (log_N - np.median(log_N)).tolist(), strict=True)
        spread = NORMAL_MAD * float(np.median(np.abs([value for _, value in off]))) if off else 0.0
        named = [(run, value) for run, value in off if abs(value) > max(OUTLYING_SDS * spread, OUTLYING_SHARE)]
        if named:
            shown = listed(f"{run.label} by {numbers.percent(float(np.expm1(value)))}" for run, value in named)
            yield Finding(
                code="outlying-time",
                severity="warning",
                sentence=f"{metric} is far from the median of its arm in {shown}. It counts as it is, but does not "
                f"decide: times are compared as ratios, from 7 pairs on without a sixth at each end.",
                evidence={run.label: float(np.expm1(value)) for run, value in named},
            )


def drifted(group: GroupRuns, alpha: float) -> Iterator[Finding]:
    """Times that grow or fall with the place in the sweep, and what the order of the arms makes of it."""
    for metric in _TIMES:
        blocks = _blocks(group, metric)
        found = drift(np.array([_logs(runs, metric) for runs in blocks]), _places(blocks)) if blocks else None
        if found is None or not found[1] < alpha:
            continue
        change, p = float(np.expm1(found[0])), float(found[1])
        gap_NA = _places(blocks) - _places(blocks)[:, :1]
        worst = float(np.abs(gap_NA.mean(axis=0)).max()) * abs(change)
        arms = [run.arm for run in blocks[0]]
        yield Finding(
            code="time-drifts",
            severity="warning",
            sentence=f"{metric} changes by {numbers.percent(change)} from one run of the sweep to the next, whatever "
            f"the arm ({numbers.p_value(p)}): the machine warms up, or something else drifts. The order of the runs "
            f"makes that {numbers.percent(worst, sign=False)} between {listed(arms)} at most.",
            evidence={"metric": metric, "change_per_run": change, "p": p, "between_arms": worst},
        )


def _blocks(group: GroupRuns, metric: str) -> list[list[Run]]:
    """The runs of each seed that every arm finished and measured, with known places; arms in one order."""
    by_arm = [usable(group, arm) for arm in group.arms]
    by_arm = [runs for runs in by_arm if any(metric in run.metrics for run in runs.values())]
    if not by_arm:
        return []
    shared = [seed for seed in by_arm[0] if all(seed in runs for runs in by_arm)]
    blocks = [[runs[seed] for runs in by_arm] for seed in shared]
    return [block for block in blocks if all(r.num is not None and r.metrics.get(metric, 0) > 0 for r in block)]


def _places(blocks: list[list[Run]]) -> FloatArray:
    return np.array([[float(run.num or 0) for run in block] for block in blocks])


def _logs(runs: list[Run], metric: str) -> FloatArray:
    return np.log([max(run.metrics[metric], np.finfo(float).tiny) for run in runs])
