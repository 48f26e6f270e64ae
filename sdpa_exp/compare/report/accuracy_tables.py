"""Tables of accuracy by size and class, of single runs with their intervals, and of learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdpa_exp.accuracy.by_size import size_limits
from sdpa_exp.accuracy.learning import PLATEAU_BAND, SHARES_PERCENT
from sdpa_exp.compare import numbers
from sdpa_exp.compare.report.table import TextTable, csv_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sdpa_exp.compare.accuracy_facts import AccuracyFacts, Part
    from sdpa_exp.compare.comparison import Group

INTERVAL_MEANING = (
    "The interval is a bootstrap over the val images for that one trained network: what other images of this kind "
    "might have given. It says nothing about another seed, so overlapping or separate intervals decide nothing "
    "between arms. With 10 to 64 images it is too narrow: it held 83 to 93 % of true values in simulations, not 95 %."
)
_MAX_RUNS = 60
_DASH = "-"


def accuracy_tables(group: Group) -> Iterator[TextTable]:
    """The tables that have content, in the order of a report."""
    facts, arms = group.accuracy, tuple(arm.name for arm in group.arms)
    if facts.sizes:
        yield sizes_table(facts, arms)
        yield classes_table(facts, arms)
        yield runs_table(facts)
    if facts.differences:
        yield image_differences_table(facts)
    if facts.learning:
        yield learning_table(facts, arms)


def sizes_table(facts: AccuracyFacts, arms: Sequence[str]) -> TextTable:
    """AP50-95 by COCO size."""
    names = [part.name if part.name == "all" else f"{part.name} ({size_limits(part.name)})" for part in facts.sizes]
    rows = [(name, _count(part), *_values(part, arms)) for name, part in zip(names, facts.sizes, strict=True)]
    reasons = "".join(f" {part.name.capitalize()}: {part.reason}." for part in facts.sizes if part.reason)
    return TextTable(
        name="sizes",
        caption="COCO's mAP50-95 of best.pt by area of the labelled box in the original image, mean ± SD over "
        "runs. COCO cuts predictions at the image's edge before it matches them; Ultralytics' mAP50-95 does not, and "
        f"can be some points lower than the line of all boxes.{reasons}",
        header=("size", "boxes", *arms),
        rows=tuple(rows),
    )


def classes_table(facts: AccuracyFacts, arms: Sequence[str]) -> TextTable:
    """AP50-95 by class."""
    metric = facts.metric.replace("mAP", "AP")
    return TextTable(
        name="classes",
        caption=f"Ultralytics' {metric} of best.pt by class, mean ± SD over runs; none without labelled boxes.",
        header=("class", "boxes", *arms),
        rows=tuple((part.name, _count(part), *_values(part, arms)) for part in facts.classes),
    )


def runs_table(facts: AccuracyFacts) -> TextTable:
    """Single runs: mAP with its interval over images, and the counts at the best confidence."""
    rows = []
    for run in facts.measured[:_MAX_RUNS]:
        content: dict[str, Any] = run.accuracy or {}
        overall, intervals = content["overall"], content["intervals"]
        rows.append(
            (
                run.label,
                *(_with_interval(overall[name], intervals[name]) for name in ("mAP50-95", "mAP50")),
                *(_number(overall[name], "{:.3f}") for name in ("F1", "F1_confidence")),
                *(_number(overall[name], "{:.0f}") for name in ("num_tp", "num_fp", "num_fn")),
            )
        )
    more = len(facts.measured) - _MAX_RUNS
    resamples = sorted({(run.accuracy or {})["intervals"]["num_resamples"] for run in facts.measured})
    reasons = dict.fromkeys(r for run in facts.measured if (r := (run.accuracy or {})["intervals"]["reason"]))
    drawn = f"in brackets 95 % intervals from {_range(resamples)} resamples. {INTERVAL_MEANING} "
    brackets = drawn if any(resamples) else ""
    caption = (
        f"best.pt on {_range([(run.accuracy or {})['num_images'] for run in facts.measured])} val images; {brackets}F1 "
        "is the mean over classes at the confidence where it is best; right, wrong and missed are predictions and "
        "labelled objects there, at IoU 0.5."
    )
    caption += "".join(f" No interval: {reason}." for reason in reasons)
    caption += f" {more} more runs are in tables/accuracy_runs.csv." if more > 0 else ""
    header = ("run", facts.metric, facts.metric.removesuffix("-95"), "F1", "confidence", "right", "wrong", "missed")
    return TextTable(name="accuracy_runs", caption=caption, header=header, rows=tuple(rows))


def image_differences_table(facts: AccuracyFacts) -> TextTable:
    """Arms less baseline, with what other val images might have given."""
    rows = [
        (
            found.arm,
            str(found.num_pairs),
            numbers.difference(facts.metric, found.mean, spread=(found.high - found.low) / 4),
            numbers.interval(facts.metric, found.low, found.high),
        )
        for found in facts.differences
    ]
    return TextTable(
        name="image_differences",
        caption=f"{facts.metric} of best.pt, arm less baseline, mean over seeds. The 95 % interval is a paired "
        "bootstrap: both stand on the same draws of val images, so that easy and hard images cancel out. It is about "
        "these trained networks and other images; what other seeds might have given is in the verdicts.",
        header=("arm", "seeds", "difference", "over images"),
        rows=tuple(rows),
    )


def learning_table(facts: AccuracyFacts, arms: Sequence[str]) -> TextTable:
    """How soon each arm got near its end, mean over runs with the range."""
    rows = []
    for arm in arms:
        of_arm = [entry.facts for entry in facts.learning if entry.run.arm == arm]
        if not of_arm:
            continue
        sds = [facts.last_tenth_sd for facts in of_arm if facts.last_tenth_sd is not None]
        rows.append(
            (
                arm,
                str(len(of_arm)),
                *(_epochs([facts.epochs_to.get(share) for facts in of_arm]) for share in SHARES_PERCENT),
                _epochs([facts.peak_epoch for facts in of_arm]),
                _epochs([facts.plateau_epoch for facts in of_arm]),
                f"{100 * float(np.mean(sds)):.2f}" if sds else _DASH,
            )
        )
    return TextTable(
        name="learning",
        caption=f"Epochs (from 1) of the {facts.metric} curve, mean over runs with the range in brackets. To x %: "
        "first epoch at that share of the last epoch's value. Plateau: first epoch from which on all stay within "
        f"{100 * PLATEAU_BAND:g} % of it; (k) where only k of the runs have one, a dash where none has. Last tenth: SD "
        "over the last tenth of the epochs (3 at least), in points.",
        header=("arm", "n", *(f"to {share} %" for share in SHARES_PERCENT), "peak", "plateau", "SD last tenth"),
        rows=tuple(rows),
    )


def accuracy_csvs(groups: Sequence[Group]) -> dict[str, str]:
    """File name -> one line a run and size, class, or run, in full precision."""
    sizes: list[list[object]] = []
    classes: list[list[object]] = []
    runs: list[list[object]] = []
    learning: list[list[object]] = []
    fields = ("num_boxes", "AP50", "AP50-95")
    class_fields = (*fields, "precision", "recall", "F1", "num_tp", "num_fp", "num_fn")
    overall_fields = ("mAP50-95", "mAP50", "F1", "F1_confidence", "num_tp", "num_fp", "num_fn")
    for group in groups:
        group_id, facts = group.group_id, group.accuracy
        for run in facts.measured:
            content: dict[str, Any] = run.accuracy or {}
            who = [group_id, run.arm, run.seed]
            sizes += [[*who, size, *(entry[f] for f in fields)] for size, entry in content["sizes"].items()]
            classes += [[*who, row["name"], *(row[f] for f in class_fields)] for row in content["classes"]]
            bounds = [content["intervals"][name] or (None, None) for name in ("mAP50-95", "mAP50")]
            overall = [content["overall"][f] for f in overall_fields]
            runs.append([*who, *overall, *bounds[0], *bounds[1], content["intervals"]["num_resamples"]])
        for run, learned in ((entry.run, entry.facts) for entry in facts.learning):
            shares = (learned.epochs_to.get(share) for share in SHARES_PERCENT)
            rest = (learned.peak_epoch, learned.peak, learned.plateau_epoch, learned.last_tenth_sd, learned.num_last)
            learning.append([group_id, run.arm, run.seed, learned.num_epochs, learned.final, *shares, *rest])
    who_header = ["group", "arm", "seed"]
    bounds_header = [f"{name}_{end}" for name in ("mAP50-95", "mAP50") for end in ("low", "high")]
    share_header = [f"epochs_to_{share}_percent" for share in SHARES_PERCENT]
    rest_header = ["peak_epoch", "peak", "plateau_epoch", "last_tenth_sd", "num_last"]
    return {
        "sizes.csv": csv_text([*who_header, "size", *fields], sizes),
        "classes.csv": csv_text([*who_header, "class", *class_fields], classes),
        "accuracy_runs.csv": csv_text([*who_header, *overall_fields, *bounds_header, "num_resamples"], runs),
        "learning.csv": csv_text([*who_header, "num_epochs", "final", *share_header, *rest_header], learning),
    }


def _values(part: Part, arms: Sequence[str]) -> tuple[str, ...]:
    found = []
    for arm in arms:
        described = part.by_arm.get(arm)
        if described is None:
            found.append(_DASH)
        elif described.sd is None:
            found.append(f"{described.mean:.3f}")
        else:
            found.append(f"{described.mean:.3f} ± {described.sd:.3f}")
    return tuple(found)


def _count(part: Part) -> str:
    return _range(part.num_boxes)


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return _DASH
    return f"{value:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _number(value: float | None, form: str) -> str:
    return _DASH if value is None else form.format(value)


def _epochs(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return _DASH
    mean = numbers.plain(float(np.mean(known)), spread=10.0)
    text = mean if min(known) == max(known) else f"{float(np.mean(known)):.1f} [{min(known)}, {max(known)}]"
    return text if len(known) == len(values) else f"{text} ({len(known)})"
