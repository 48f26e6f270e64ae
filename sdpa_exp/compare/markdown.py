"""report.md: the report without pictures, for issues and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdpa_exp.compare.accuracy_tables import accuracy_tables
from sdpa_exp.compare.methods import methods, question
from sdpa_exp.compare.tables import arms_table, described_table, differences_table, noise_table, to_markdown
from sdpa_exp.compare.terminal import relative_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdpa_exp.compare.comparison import Cell, Comparison

_MAX_RUNS = 200


def report_markdown(comparison: Comparison) -> str:
    """The report as Markdown."""
    return "\n".join(_lines(comparison)).rstrip() + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"# {comparison.name}\n"
    if comparison.cells:
        yield f"{question(comparison, comparison.cells[0])}\n"
    yield f"**{comparison.headline}**\n"
    for finding in comparison.findings:
        yield f"- **{finding.severity}** `{finding.code}`: {finding.sentence}"
    yield ""
    for cell in comparison.cells:
        yield from _cell(comparison, cell)
    yield "## Runs\n"
    for run in comparison.runs[:_MAX_RUNS]:
        reason = f": {run.reason}" if run.reason else ""
        yield f"- [{run.label}]({relative_path(run.folder, comparison.folder)}/) {run.status}{reason}"
    if len(comparison.runs) > _MAX_RUNS:
        yield f"- {len(comparison.runs) - _MAX_RUNS} more in comparison.json"


def _cell(comparison: Comparison, cell: Cell) -> Iterator[str]:
    where = f" in cell {cell.cell_id}" if len(comparison.cells) > 1 else ""
    yield f"## Arms{where}\n"
    yield to_markdown(arms_table(cell))
    if cell.verdicts:
        yield f"## Verdicts{where}\n"
        for verdict in cell.verdicts:
            yield f"- **{verdict.kind}.** {verdict.sentence}"
        yield ""
    if cell.noise_floors:
        yield f"## A/A noise floor{where}\n"
        yield to_markdown(noise_table(cell))
    if cell.differences:
        yield f"## Paired differences{where}\n"
        yield to_markdown(differences_table(cell, comparison.baseline, comparison.alpha))
    tables = list(accuracy_tables(cell))
    if tables or cell.accuracy.missing:
        yield f"## Accuracy by size and class, and learning{where}\n"
        yield from (f"Not measured in {sentence}\n" for sentence in cell.accuracy.missing)
        yield from map(to_markdown, tables)
    yield f"## Methods{where}\n\n{methods(comparison, cell)}\n"
    yield f"## All quantities{where}\n"
    yield to_markdown(described_table(cell))
