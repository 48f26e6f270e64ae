"""How well the arms of a group detect, by object size and class, and how they learned: numbers for tables and JSON.

Sizes, classes and intervals come from accuracy.json of each run; learning from the curves, so that a plain Ultralytics
folder has it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdpa_exp.accuracy.bootstrap import interval_of_difference
from sdpa_exp.accuracy.by_size import AREAS_PX2
from sdpa_exp.accuracy.learning import Learning, learning_facts
from sdpa_exp.compare.load.groups import GroupRuns, usable
from sdpa_exp.compare.load.run import Run
from sdpa_exp.compare.statistics.paired import Description, describe
from sdpa_exp.runs.purposes import accuracy_metric

SIZES = ("all", *AREAS_PX2)


@dataclass(frozen=True, kw_only=True)
class Part:
    """AP50-95 of every arm over one part of the labelled boxes: a size or a class.

    Attributes:
        num_boxes: labelled boxes of the part; runs that disagree give the smallest and largest number.
        by_arm: arm -> description over its runs; arms without a value are missing.
        reason: why no arm has a value.
    """

    name: str
    num_boxes: tuple[int, int]
    by_arm: Mapping[str, Description]
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class ImageDifference:
    """mAP50-95 of an arm's networks minus that of the baseline's, mean over seeds, with its interval over images."""

    arm: str
    num_pairs: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class RunLearning:
    """How one run learned."""

    run: Run
    facts: Learning


@dataclass(frozen=True, kw_only=True)
class AccuracyFacts:
    """Everything about one comparison group.

    Attributes:
        metric: what classes, differences and learning are of: mAP50-95, or that of masks or poses, or top1.
        missing: sentences on runs without accuracy.json.
    """

    sizes: tuple[Part, ...]
    classes: tuple[Part, ...]
    differences: tuple[ImageDifference, ...]
    learning: tuple[RunLearning, ...]
    metric: str
    measured: tuple[Run, ...]
    missing: tuple[str, ...]


def accuracy_facts(group: GroupRuns, baseline: str) -> AccuracyFacts:
    """The facts of a comparison group, from its finished runs."""
    runs = [run for arm in group.arms for run in usable(group, arm).values()]
    measured = [run for run in runs if run.accuracy and run.accuracy.get("sizes")]
    metric = accuracy_metric({name for run in runs for name in run.metrics})
    names = list(dict.fromkeys(row["name"] for run in measured for row in _accuracy(run)["classes"]))
    return AccuracyFacts(
        sizes=tuple(_part(size, group.arms, measured, _size_of(size)) for size in SIZES) if measured else (),
        classes=tuple(_part(name, group.arms, measured, _class_of(name)) for name in names),
        differences=tuple(_differences(group, baseline)),
        learning=tuple(_learning(runs, metric)),
        metric=metric,
        measured=tuple(measured),
        missing=tuple(_missing(runs)),
    )


def _part(
    name: str, arms: Sequence[str], runs: Sequence[Run], entry_of: Callable[[Run], Mapping[str, Any] | None]
) -> Part:
    entries = [(run.arm, entry) for run in runs if (entry := entry_of(run)) is not None]
    by_arm = {}
    for arm in arms:
        values = [entry["AP50-95"] for of, entry in entries if of == arm and entry["AP50-95"] is not None]
        if values:
            by_arm[arm] = describe(np.array(values, dtype=np.float64))
    counts = [int(entry["num_boxes"]) for _, entry in entries]
    reasons = (entry.get("reason") for _, entry in entries)
    reason = None if by_arm else next((r for r in reasons if r), "the val images have no such boxes")
    return Part(name=name, num_boxes=(min(counts), max(counts)), by_arm=by_arm, reason=reason)


def _size_of(size: str) -> Callable[[Run], Mapping[str, Any] | None]:
    return lambda run: _accuracy(run)["sizes"].get(size)


def _class_of(name: str) -> Callable[[Run], Mapping[str, Any] | None]:
    return lambda run: next((row for row in _accuracy(run)["classes"] if row["name"] == name), None)


def _accuracy(run: Run) -> Mapping[str, Any]:
    assert run.accuracy is not None
    return run.accuracy


def _differences(group: GroupRuns, baseline: str) -> Iterable[ImageDifference]:
    """Of all arms that have pairs with the baseline whose images were resampled; copies of an arm are not arms."""
    base = usable(group, baseline)
    for arm in group.arms:
        if arm == baseline or arm in group.copies:
            continue
        pairs = [(run, base[seed]) for seed, run in usable(group, arm).items() if seed in base]
        pairs = [pair for pair in pairs if all(_resampled(run) for run in pair) and len(set(map(_images, pair))) == 1]
        bounds = interval_of_difference([(_resampled(run), _resampled(other)) for run, other in pairs])
        if bounds is not None:
            mean = float(np.mean([_overall(run) - _overall(other) for run, other in pairs]))
            yield ImageDifference(arm=arm, num_pairs=len(pairs), mean=mean, low=bounds[0], high=bounds[1])


def _resampled(run: Run) -> Sequence[float]:
    return ((run.accuracy or {}).get("intervals") or {}).get("resampled") or ()


def _images(run: Run) -> int:
    return int(_accuracy(run)["num_images"])


def _overall(run: Run) -> float:
    return float(_accuracy(run)["overall"]["mAP50-95"])  # of masks or poses where the model is for these


def _learning(runs: Iterable[Run], metric: str) -> Iterable[RunLearning]:
    for run in runs:
        if run.curves is not None and metric in run.curves.columns:
            values = run.curves.columns[metric]
            yield RunLearning(run=run, facts=learning_facts(run.curves.epochs.tolist(), values.tolist()))


def _why_no_sizes(accuracy: Mapping[str, Any]) -> str:
    return str((accuracy.get("unmeasured") or {}).get("F1") or "best.pt was not evaluated")


def _missing(runs: Sequence[Run]) -> Iterable[str]:
    """Why runs have no size-wise AP, each reason once with its number of runs."""
    reasons: dict[str, int] = {}
    for run in runs:
        if run.is_plain:
            reason = "plain Ultralytics folders, whose results.csv holds no AP by size or class"
        elif run.accuracy is None:
            reason = "written without an accuracy.json that this version reads"
        elif not run.accuracy.get("sizes"):
            reason = _why_no_sizes(run.accuracy)
        else:
            continue
        reasons[reason] = reasons.get(reason, 0) + 1
    return [f"{count} of {len(runs)} runs: {reason}." for reason, count in reasons.items()]
