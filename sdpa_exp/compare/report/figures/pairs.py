"""Figures of single runs: each metric paired by seed, and accuracy against what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from sdpa_exp.compare import numbers
from sdpa_exp.compare.findings.prices import cost_sentence
from sdpa_exp.compare.load.groups import GroupRuns, usable
from sdpa_exp.compare.load.run import COST, CSV_TIME, ENERGY
from sdpa_exp.compare.report.figures.style import ArmStyle, Picture, counted, new_axes, picture
from sdpa_exp.runs.purposes import accuracy_metric

_DOTS = (*numbers.ACCURACIES, *numbers.COSTS)
_COSTS = ("train_s", CSV_TIME, "peak_memory_mib", ENERGY, COST)
_MAX_LINES = 40


def paired_dots(group: GroupRuns, styles: Mapping[str, ArmStyle]) -> Iterator[Picture]:
    """A dot for each run, a line for each seed, a bar at the mean: one picture a metric."""
    by_arm = {arm: usable(group, arm) for arm in group.arms}
    seeds = list(dict.fromkeys(seed for runs in by_arm.values() for seed in runs))
    for metric in _DOTS:
        used = [run for runs in by_arm.values() for run in runs.values() if metric in run.metrics]
        arms = [arm for arm in group.arms if any(run.arm == arm for run in used)]
        if len(arms) < 2:
            continue
        figure, axes = new_axes()
        if len(seeds) <= _MAX_LINES:
            for seed in seeds:
                points = [
                    (x, by_arm[arm][seed].metrics[metric])
                    for x, arm in enumerate(arms)
                    if seed in by_arm[arm] and metric in by_arm[arm][seed].metrics
                ]
                axes.plot(*zip(*points, strict=True), color="#888888", linewidth=0.7, alpha=0.7, zorder=1)
        for x, arm in enumerate(arms):
            values = [run.metrics[metric] for run in used if run.arm == arm]
            style = styles[arm]
            axes.plot([x] * len(values), values, style.marker, color=style.colour, markersize=5, zorder=3)
            axes.hlines(float(np.mean(values)), x - 0.22, x + 0.22, color=style.colour, linewidth=2, zorder=2)
        axes.set_xticks(range(len(arms)), arms, rotation=25 if sum(map(len, arms)) > 36 else 0)
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel(_label(metric))
        meaning = numbers.meaning(metric, is_plain=any(run.is_plain for run in used))
        yield picture(
            figure,
            name=f"dots-{metric}-{group.group_id}",
            title=f"{metric} by arm",
            caption="One dot a run, lines join runs of one seed, the bar is the mean. "
            f"{counted(arms, used)}. {metric}: {meaning}.",
            runs=used,
        )


def accuracy_against_cost(group: GroupRuns, styles: Mapping[str, ArmStyle]) -> Iterator[Picture]:
    """The accuracy of what the model is for against time, memory and energy."""
    accuracy = accuracy_metric({name for run in group.runs for name in run.metrics})
    for cost in _COSTS:
        used = [r for r in group.runs if r.is_finished and {cost, accuracy} <= r.metrics.keys()]
        if not used:
            continue
        figure, axes = new_axes()
        for arm in group.arms:
            runs = [run for run in used if run.arm == arm]
            if not runs:
                continue
            style = styles[arm]
            x = [run.metrics[cost] for run in runs]
            y = [run.metrics[accuracy] for run in runs]
            axes.plot(x, y, style.marker, color=style.colour, markersize=4, alpha=0.55)
            axes.plot(np.mean(x), np.mean(y), style.marker, color=style.colour, markersize=9, label=arm)
        axes.set_xlabel(_label(cost))
        axes.set_ylabel(accuracy)
        axes.legend()
        price = f" {cost_sentence(used)}" if cost == COST and cost_sentence(used) else ""
        yield picture(
            figure,
            name=f"cost-{cost}-{group.group_id}",
            title=f"{accuracy} against {cost}",
            caption="Small: one run; large: the mean of the arm. "
            f"n = {len(used)} runs. The axes don't begin at 0.{price}",
            runs=used,
        )


def _label(metric: str) -> str:
    unit = numbers.metric_of(metric).unit
    return f"{metric} ({unit})" if unit else metric
