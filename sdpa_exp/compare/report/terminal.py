"""The comparison on a terminal: findings, verdicts, arms, differences, kernels, what is missing, where things are."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sdpa_exp.compare import numbers
from sdpa_exp.compare.comparison import STAGES, ArmSummary, Comparison, Group
from sdpa_exp.compare.findings.prices import cost_sentence
from sdpa_exp.compare.load.run import COST, CSV_TIME, ENERGY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdpa_exp.compare.findings.finding import Severity

MAIN_METRICS = ("mAP50", "mAP50-95", "train_s", CSV_TIME, "images_per_s", "peak_memory_mib", ENERGY, COST)
_STYLE: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_STAGE_NAMES = dict(zip(STAGES, ("train forward", "train backward", "validation", "best.pt"), strict=True))
_WIDE = 104
_TEXT_WIDTH = 110


class TerminalView:
    """A rich renderable that fits its width: 80 columns and pipes included."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the parts from top to bottom."""
        comparison = self._comparison
        yield Text(f"Comparison: {comparison.name}", style="bold")
        yield Text(comparison.headline)
        if comparison.findings:
            yield _title("Findings")
            yield from _findings(comparison)
        for group in comparison.groups:
            name = f" in group {group.group_id}" if len(comparison.groups) > 1 else ""
            if group.verdicts:
                yield _title(f"Verdicts{name}: {_tests(group, comparison.alpha)}")
                for verdict in group.verdicts:
                    yield _bullet(Text(verdict.sentence, style="bold" if "different" in verdict.kind else ""))
            if group.noise_floors:
                yield _title(
                    f"A/A noise floor{name}: {group.noise_floors[0].arm} minus {group.noise_floors[0].baseline}"
                )
                yield _noise(group)
            yield _title(f"Arms{name}: mean ± SD over finished runs")
            yield _arms(group, is_wide=options.max_width >= _WIDE)
            if options.max_width < _WIDE:
                copies = "".join(f"; {arm.name}: A/A copy of {arm.copy_of}" for arm in group.arms if arm.copy_of)
                yield Text(f"* baseline{copies}; n: finished / planned runs", style="dim")
            cost = cost_sentence(run for run in comparison.runs if run.group_id == group.group_id)
            if cost is not None:
                yield Text(cost, style="dim")
            if group.differences:
                yield _title(
                    f"Paired differences{name}: arm minus {comparison.baseline}, {_level(comparison)} t interval"
                )
                yield _differences(group)
            yield from _kernels(group, name)
            yield from _not_finished(group)
        yield _title("Run folders")
        yield from _folders(comparison)


def render_terminal(comparison: Comparison) -> RenderableType:
    """The comparison as a rich renderable."""
    return TerminalView(comparison)


def render_text(comparison: Comparison) -> str:
    """The same as plain text without colour, for comparison.txt."""
    console = Console(
        file=io.StringIO(), width=_TEXT_WIDTH, color_system=None, force_terminal=False, legacy_windows=False
    )
    console.print(render_terminal(comparison))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def _title(text: str) -> RenderableType:
    return Padding(Text(text, style="bold"), (1, 0, 0, 0))


def _bullet(text: RenderableType, mark: str = "-") -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(mark, text)
    return grid


def _findings(comparison: Comparison) -> Iterator[RenderableType]:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for finding in comparison.findings:
        mark = Text(finding.severity.upper(), style=_STYLE[finding.severity])
        grid.add_row(mark, Text.assemble((f"{finding.code}: ", "bold"), finding.sentence))
    yield grid


def _noise(group: Group) -> Table:
    """What the same attention differs by: root mean square, largest and mean of the paired differences."""
    table = _table()
    table.add_column("metric", no_wrap=True)
    for name in ("floor (rms)", "largest", "mean", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    for floor in group.noise_floors:
        table.add_row(floor.metric, floor.text(), floor.largest_text(), floor.mean_text(), str(floor.n))
    return table


def _arms(group: Group, *, is_wide: bool) -> Table:
    """One row an arm; below 104 columns the spread stands under its mean."""
    shown = [name for name in MAIN_METRICS if any(name in arm.described for arm in group.arms)]
    table = _table()
    table.add_column("arm", overflow="fold")
    table.add_column("n", justify="right", no_wrap=True)
    for name in shown:
        table.add_column(numbers.heading(name), justify="right", no_wrap=True)
    for arm in group.arms:
        mark = " (baseline)" if arm.is_baseline else " (A/A copy)" if arm.copy_of else ""
        label = f"{arm.name}{mark}" if is_wide else f"{arm.name}*" if arm.is_baseline else arm.name
        table.add_row(label, f"{arm.num_finished}/{arm.num_planned}", *(_value(arm, name, is_wide) for name in shown))
    return table


def _value(arm: ArmSummary, name: str, is_wide: bool) -> str:
    described = arm.described.get(name)
    if described is None:
        return "-"
    text = numbers.mean_and_sd(described.mean, described.sd)
    if described.n != arm.num_finished:
        text += f" ({described.n})"
    return text if is_wide else text.replace(" ± ", "\n± ")


def _differences(group: Group) -> Table:
    table = _table()
    table.add_column("arm", overflow="fold")
    table.add_column("metric", no_wrap=True)
    for name in ("difference", "relative", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    last = ""
    shown = [d for d in group.differences if d.metric in MAIN_METRICS]
    for entry in sorted(shown, key=lambda d: ([a.name for a in group.arms].index(d.arm), MAIN_METRICS.index(d.metric))):
        test = entry.test
        relative = numbers.percent(test.mean / test.baseline_mean) if test.baseline_mean else "-"
        if test.low is not None and test.high is not None:
            interval = numbers.interval(entry.metric, test.low, test.high)
        else:
            interval = "no spread" if test.is_deterministic else "one pair"
        if last and last != entry.arm:
            table.add_section()
        table.add_row(
            entry.arm if entry.arm != last else "",
            entry.metric,
            numbers.difference(entry.metric, test.mean, spread=test.standard_error),
            relative,
            interval,
            str(test.n),
        )
        last = entry.arm
    return table


def _kernels(group: Group, name: str) -> Iterator[RenderableType]:
    """Which kernels ran at how many layers, by arm and stage."""
    attested = [arm for arm in group.arms if arm.kernels]
    if not attested:
        return
    yield _title(f"Attention kernels that ran{name} (layers)")
    table = _table()
    table.add_column("arm", overflow="fold")
    for stage in STAGES:
        table.add_column(_STAGE_NAMES[stage])
    for arm in group.arms:
        kernels = arm.kernels or {}
        table.add_row(arm.name, *(kernels_text(kernels.get(stage)) for stage in STAGES))
    yield table


def kernels_text(kernels: object) -> str:
    """`flash (8)`, or a dash for what was not attested."""
    if not isinstance(kernels, dict) or not kernels:
        return "not attested"
    return ", ".join(f"{kernel} ({count})" for kernel, count in kernels.items())


def _not_finished(group: Group) -> Iterator[RenderableType]:
    runs = [run for arm in group.arms for run in arm.not_finished]
    if runs:
        yield _title("Runs that do not count")
        for run in runs:
            yield _bullet(Text(f"{run.label}: {run.status}, {run.reason or 'no reason recorded'}"))


def _folders(comparison: Comparison) -> Iterator[RenderableType]:
    yield Text(f"below {comparison.folder}" if str(comparison.folder) != "." else "below this folder", overflow="fold")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for run in comparison.runs[:24]:
        grid.add_row(f"  {run.label}", relative_path(run.folder, comparison.folder))
    yield grid
    if len(comparison.runs) > 24:
        yield Text(f"  and {len(comparison.runs) - 24} more, all in comparison.json")


def relative_path(path: Path, base: Path) -> str:
    """A path as seen from `base`, with forward slashes; absolute where there is no way (another drive)."""
    try:
        return Path(os.path.relpath(path, base)).as_posix()
    except ValueError:
        return path.as_posix()


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)


def _tests(group: Group, alpha: float) -> str:
    num_arms = max(verdict.num_arms for verdict in group.verdicts)
    adjusted = f", Holm over {num_arms} arms" if num_arms > 1 else ""
    return f"paired t-test and TOST at {100 * alpha:g} %{adjusted}"


def _level(comparison: Comparison) -> str:
    return f"{100 * (1 - comparison.alpha):g} %"
