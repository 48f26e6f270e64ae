"""The tables of a comparison: arms, differences, noise, kernels, and everything that was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sdpa_exp.compare import numbers
from sdpa_exp.compare.answer.tables import SPEED_HEADER, speed_cells
from sdpa_exp.compare.answer.verdicts_side_by_side import SIDE_BY_SIDE
from sdpa_exp.compare.comparison import STAGES, ArmSummary, Comparison, Group
from sdpa_exp.compare.report.table import TextTable, csv_text

_STAGE_NAMES = ("train forward", "train backward", "validation", "best.pt")


def arm_label(arm: ArmSummary) -> str:
    """The name, and what it is where it is no ordinary arm."""
    if arm.is_baseline:
        return f"{arm.name} (baseline)"
    return arm.name if arm.copy_of is None else f"{arm.name} (A/A copy)"


def arms_table(group: Group) -> TextTable:
    """Mean and SD of the main metrics by arm; speed and memory as they were measured side by side, where they were."""
    judged = group.judged
    if judged is None:
        return _means(group, numbers.MAIN_METRICS)
    table = _means(group, [name for name in numbers.MAIN_METRICS if name not in SIDE_BY_SIDE])
    beside = dict(zip(judged.measurement.arms, speed_cells(judged), strict=True))
    nothing = ("-",) * len(SPEED_HEADER)
    return replace(
        table,
        caption=f"{table.caption} {', '.join(SPEED_HEADER)}: measured side by side.",
        header=(*table.header, *SPEED_HEADER),
        rows=tuple((*row, *beside.get(arm.name, nothing)) for arm, row in zip(group.arms, table.rows, strict=True)),
    )


def trainings_table(group: Group) -> TextTable:
    """Times and memory of the trainings themselves, where better ones were measured side by side."""
    table = _means(group, [name for name in numbers.MAIN_METRICS if name in SIDE_BY_SIDE])
    return replace(table, name="trainings", caption="Mean ± SD over finished runs.")


def _means(group: Group, names: Sequence[str]) -> TextTable:
    shown = [name for name in names if any(name in arm.described for arm in group.arms)]
    rows = []
    for arm in group.arms:
        values = []
        for name in shown:
            described = arm.described.get(name)
            text = "-" if described is None else numbers.mean_and_sd(described.mean, described.sd)
            values.append(text if described is None or described.n == arm.num_finished else f"{text} ({described.n})")
        rows.append((arm_label(arm), f"{arm.num_finished}/{arm.num_planned}", *values))
    return TextTable(
        name="arms",
        caption=" ".join(["Mean ± SD over finished runs; n: finished / planned runs.", *why_empty(group)]),
        header=("arm", "n", *(numbers.heading(name) for name in shown)),
        rows=tuple(rows),
    )


def why_empty(group: Group) -> list[str]:
    """Sentences on the cells of the arms' table that hold a dash; empty where there is none."""
    cells: dict[str, list[str]] = defaultdict(list)
    for arm in group.arms:
        missing = [name for name in numbers.MAIN_METRICS if name not in arm.described]
        for name in missing if arm.num_finished else []:
            if any(name in other.described for other in group.arms):
                reasons = (run.unmeasured.get(name) for run in group.runs.of(arm.name) if run.is_finished)
                cells[next(filter(None, reasons), "not measured")].append(f"{numbers.heading(name)} of {arm.name}")
    found = [f"- ({', '.join(names)}): {reason.rstrip('.')}." for reason, names in cells.items()]
    lost = [arm.name for arm in group.arms if not arm.num_finished]
    return [*found, f"- (all of {', '.join(lost)}): no run has finished."] if lost else found


def differences_table(group: Group, baseline: str, alpha: float) -> TextTable:
    """Paired differences of all metrics, with intervals."""
    rows = []
    for entry in group.differences:
        test, base = entry.test, entry.test.baseline_mean
        difference = numbers.difference(entry.metric, test.mean, spread=test.standard_error)
        if test.low is None or test.high is None:
            interval = "no spread" if test.is_deterministic else "one pair"
        elif test.is_ratio:  # a difference in seconds would be of a mean that was not compared
            difference = f"x {1 + test.mean / base:.3g}"
            interval = f"x {1 + test.low / base:.3g} to {1 + test.high / base:.3g}"
        else:
            interval = numbers.interval(entry.metric, test.low, test.high)
        rows.append(
            (
                entry.arm,
                entry.metric,
                difference,
                interval,
                numbers.percent(test.mean / base) if base else "baseline is 0",
                "-" if test.d_z is None else f"{test.d_z:.2f}",
                str(test.n),
            )
        )
    return TextTable(
        name="differences",
        caption=f"Arm minus {baseline}, paired by seed, with a {100 * (1 - alpha):g} % t interval of the mean. Times "
        f"and rates are compared as ratios: x 1.02 is 1.02 times that of {baseline}.",
        header=("arm", "metric", "difference", "interval", "relative", "d_z", "pairs"),
        rows=tuple(rows),
        num_text=2,
    )


def noise_table(group: Group) -> TextTable:
    """The noise floor of every primary metric, from the A/A control."""
    rows = [
        (
            floor.metric,
            floor.text(),
            floor.largest_text(),
            floor.mean_text(),
            "-" if floor.p is None else numbers.p_value(floor.p).removeprefix("p = ").removeprefix("p "),
            str(floor.n),
        )
        for floor in group.noise_floors
    ]
    names = f"{group.noise_floors[0].arm} minus {group.noise_floors[0].baseline}" if group.noise_floors else ""
    return TextTable(
        name="noise_floor",
        caption=f"{names}, which is the same attention twice. Floor: root mean square of the paired differences; p: "
        "paired t-test, adjusted after Holm over the metrics.",
        header=("metric", "noise floor", "largest", "mean", "p", "pairs"),
        rows=tuple(rows),
    )


def kernels_table(group: Group) -> TextTable:
    """Which kernels ran at how many layers, by arm and stage; no rows where nothing was attested."""
    rows = [
        (arm.name, *(_kernels((arm.kernels or {}).get(stage) or {}) for stage in STAGES))
        for arm in group.arms
        if any(a.kernels for a in group.arms)
    ]
    return TextTable(name="kernels", header=("arm", *_STAGE_NAMES), rows=tuple(rows), num_text=1 + len(STAGES))


def _kernels(kernels: Mapping[str, int]) -> str:
    """`flash (8)`, or words for what was not attested."""
    return ", ".join(f"{kernel} ({count})" for kernel, count in kernels.items()) or "not attested"


def described_table(group: Group) -> TextTable:
    """Mean, SD, CV and range of every metric and arm."""
    rows = []
    for arm in group.arms:
        for name, d in arm.described.items():
            rows.append(
                (
                    arm.name,
                    name,
                    str(d.n),
                    numbers.plain(d.mean, spread=d.sd),
                    "-" if d.sd is None else numbers.plain(d.sd, spread=d.sd),
                    "-" if d.cv is None else numbers.percent(d.cv, sign=False),
                    f"{numbers.plain(d.low, spread=d.sd)} to {numbers.plain(d.high, spread=d.sd)}",
                )
            )
    return TextTable(
        name="described",
        caption="Every metric, over finished runs. SD with n - 1; CV is SD over mean.",
        header=("arm", "metric", "n", "mean", "SD", "CV", "range"),
        rows=tuple(rows),
        num_text=2,
    )


def runs_csv(comparison: Comparison) -> str:
    """One line a run, with every metric in full precision; empty where it was not measured."""
    names = list(dict.fromkeys(name for run in comparison.runs for name in run.metrics))
    rows = [
        [run.arm, run.seed, run.group_id, run.status, *(run.metrics.get(name, "") for name in names)]
        for run in comparison.runs
    ]
    return csv_text(["arm", "seed", "group", "status", *names], rows)


def differences_csv(comparison: Comparison) -> str:
    """One line a difference, in full precision."""
    fields = ("n", "mean", "sd", "baseline_mean", "level", "low", "high", "d_z", "p", "p_equivalence", "p_permutation")
    rows = [
        [group.group_id, d.arm, d.metric, *(getattr(d.test, name) for name in fields)]
        for group in comparison.groups
        for d in group.differences
    ]
    return csv_text(["group", "arm", "metric", *fields], rows)
