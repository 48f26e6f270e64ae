"""The comparison on a terminal: findings, verdicts, arms, differences, kernels, what is missing, where things are."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sdpa_exp.compare import numbers
from sdpa_exp.compare.answer.verdicts_side_by_side import SIDE_BY_SIDE
from sdpa_exp.compare.comparison import Comparison, Group
from sdpa_exp.compare.findings.finding import Severity
from sdpa_exp.compare.findings.prices import cost_sentence
from sdpa_exp.compare.report.links import relative_path
from sdpa_exp.compare.report.model import sections, where
from sdpa_exp.compare.report.table import TextTable
from sdpa_exp.compare.report.tables import why_empty

_STYLE: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_TEXT_WIDTH = 110
_MAX_FOLDERS = 24


class TerminalView:
    """A rich renderable that fits its width: 80 columns and pipes included."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the parts from top to bottom."""
        comparison = self._comparison
        of_what = "" if comparison.name == "comparison" else f" of {comparison.name}"
        yield Text(f"Comparison{of_what}", style="bold")
        yield Text(comparison.headline)
        if comparison.findings:
            yield _title("Findings")
            yield _grid(
                (
                    Text(finding.severity.upper(), style=_STYLE[finding.severity]),
                    Text.assemble((f"{finding.code}: ", "bold"), finding.sentence),
                )
                for finding in comparison.findings
            )
        for group in comparison.groups:
            yield from _group(comparison, group, options.max_width)
        yield _title("Run folders")
        yield Text(f"below {comparison.folder}" if str(comparison.folder) != "." else "below this folder")
        shown = comparison.runs[:_MAX_FOLDERS]
        yield _grid((f"  {run.label}", f" {relative_path(run.folder, comparison.folder)}") for run in shown)
        if len(comparison.runs) > _MAX_FOLDERS:
            yield Text(f"  and {len(comparison.runs) - _MAX_FOLDERS} more, all in comparison.json")


def render_terminal(comparison: Comparison) -> RenderableType:
    """The comparison as a rich renderable."""
    return TerminalView(comparison)


def render_text(comparison: Comparison) -> str:
    """The same as plain text without colour, for comparison.txt."""
    text = io.StringIO()
    console = Console(file=text, width=_TEXT_WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(render_terminal(comparison))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _group(comparison: Comparison, group: Group, width: int) -> Iterator[RenderableType]:
    """One comparison group, from the sections that every view shares."""
    name = where(group)
    found = {section.key: section for section in sections(comparison, group)}
    tables = {key: section.table for key, section in found.items() if section.table is not None}
    if "side_by_side" in found:
        notes = found["side_by_side"].notes
        yield _title(f"Function, speed and memory{name}: {notes[0]}")
        yield from (_grid([("-", Text(note))]) for note in notes[1:])
    if "verdicts" in found:
        yield _title(f"Verdicts{name}: {_tests(group, comparison.alpha)}")
        for verdict in found["verdicts"].verdicts:
            yield _grid([("-", Text(verdict.sentence, style="bold" if "different" in verdict.kind else ""))])
    if "noise_floor" in tables:
        floor = group.noise_floors[0]
        yield _title(f"A/A noise floor{name}: {floor.arm} minus {floor.baseline}, root mean square")
        yield _table(tables["noise_floor"])
    yield _title(f"Arms{name}: mean ± SD over finished runs")
    yield from _arms(group, tables["arms"], width)
    if "differences" in tables:
        level = f"{100 * (1 - comparison.alpha):g} %"
        base = comparison.baseline
        yield _title(f"Paired differences{name}: arm minus {base} (x: times {base}), {level} t interval")
        yield _table(_of_main_metrics(tables["differences"], group))
    if "trainings" in tables:
        section = found["trainings"]
        yield _title(f"{section.title}{name}: mean ± SD over finished runs")
        yield _table(tables["trainings"])
        yield from (Text(note, style="dim") for note in section.notes)
    if "kernels" in tables:
        yield _title(f"Attention kernels that ran{name} (layers)")
        yield _table(tables["kernels"])
    lost = [run for arm in group.arms for run in arm.not_finished]
    if lost:
        yield _title("Runs that do not count")
        for run in lost:
            yield _grid([("-", Text(f"{run.label}: {run.status}, {run.reason or 'no reason recorded'}"))])


def _arms(group: Group, table: TextTable, width: int) -> Iterator[RenderableType]:
    """The arms; where they don't fit, each spread stands below its mean and marks are explained in a line below."""
    if _width(table) <= width:
        yield _table(table)
    else:
        yield _table(_stacked(table))
        copies = "".join(f"; {arm.name}: A/A copy of {arm.copy_of}" for arm in group.arms if arm.copy_of)
        yield Text(f"* baseline{copies}; n: finished / planned runs", style="dim")
    yield from (Text(sentence, style="dim") for sentence in why_empty(group))
    cost = cost_sentence(group.runs.runs)
    if cost is not None:
        yield Text(cost, style="dim")


def _of_main_metrics(table: TextTable, group: Group) -> TextTable:
    """Differences of the metrics in the arms' table, in their order; 80 columns have no room for all columns."""
    answered = SIDE_BY_SIDE if group.judged is not None else frozenset()
    order = {name: place for place, name in enumerate(numbers.MAIN_METRICS) if name not in answered}
    arms = list(dict.fromkeys(row[0] for row in table.rows))
    rows = sorted((row for row in table.rows if row[1] in order), key=lambda row: (arms.index(row[0]), order[row[1]]))
    return replace(table, rows=tuple(rows)).without("d_z")


def _stacked(table: TextTable) -> TextTable:
    """Names with short marks, and two lines a cell."""
    names = [name.replace(" (baseline)", "*").replace(" (A/A copy)", "") for name, *_ in table.rows]
    cells = [[cell.replace(" ± ", "\n± ") for cell in row[1:]] for row in table.rows]
    return replace(table, rows=tuple((name, *row) for name, row in zip(names, cells, strict=True)))


def _table(table: TextTable) -> Table:
    """A table without lines; a name that stands above is not repeated."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for number, name in enumerate(table.header):
        is_text = number < table.num_text
        shown.add_column(name, justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold")
    above = ""
    for first, *others in table.rows:
        if above and first != above:
            shown.add_section()
        shown.add_row("" if first == above else first, *others)
        above = first
    return shown


def _width(table: TextTable) -> int:
    columns = zip(table.header, *table.rows, strict=True)
    return sum(max(map(len, column)) for column in columns) + 2 * (len(table.header) - 1)


def _title(text: str) -> RenderableType:
    return Padding(Text(text, style="bold"), (1, 0, 0, 0))


def _grid(rows: Iterable[tuple[RenderableType, RenderableType]]) -> Table:
    """Two columns: a mark that is never broken, and text that wraps."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid


def _tests(group: Group, alpha: float) -> str:
    num_tests = max(verdict.num_tests for verdict in group.verdicts)
    adjusted = f", Holm over {num_tests} tests" if num_tests > 1 else ""
    return f"paired t-test and TOST at {100 * alpha:.3g} %{adjusted}"
