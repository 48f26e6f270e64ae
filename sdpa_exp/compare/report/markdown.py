"""report.md: the report without pictures, for issues and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdpa_exp.compare.report.accuracy_tables import accuracy_tables
from sdpa_exp.compare.report.methods import methods, question
from sdpa_exp.compare.report.tables import arms_table, described_table, differences_table, noise_table, to_markdown
from sdpa_exp.compare.report.terminal import relative_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdpa_exp.compare.comparison import Comparison, Group

_MAX_RUNS = 200


def report_markdown(comparison: Comparison) -> str:
    """The report as Markdown."""
    return "\n".join(_lines(comparison)).rstrip() + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"# {comparison.name}\n"
    if comparison.groups:
        yield f"{question(comparison, comparison.groups[0])}\n"
    yield f"**{comparison.headline}**\n"
    for finding in comparison.findings:
        yield f"- **{finding.severity}** `{finding.code}`: {finding.sentence}"
    yield ""
    for group in comparison.groups:
        yield from _group(comparison, group)
    yield "## Runs\n"
    for run in comparison.runs[:_MAX_RUNS]:
        reason = f": {run.reason}" if run.reason else ""
        yield f"- [{run.label}]({relative_path(run.folder, comparison.folder)}/) {run.status}{reason}"
    if len(comparison.runs) > _MAX_RUNS:
        yield f"- {len(comparison.runs) - _MAX_RUNS} more in comparison.json"


def _group(comparison: Comparison, group: Group) -> Iterator[str]:
    where = f" in group {group.group_id}" if len(comparison.groups) > 1 else ""
    yield f"## Arms{where}\n"
    yield to_markdown(arms_table(group))
    if group.verdicts:
        yield f"## Verdicts{where}\n"
        for verdict in group.verdicts:
            yield f"- **{verdict.kind}.** {verdict.sentence}"
        yield ""
    if group.noise_floors:
        yield f"## A/A noise floor{where}\n"
        yield to_markdown(noise_table(group))
    if group.differences:
        yield f"## Paired differences{where}\n"
        yield to_markdown(differences_table(group, comparison.baseline, comparison.alpha))
    tables = list(accuracy_tables(group))
    if tables or group.accuracy.missing:
        yield f"## Accuracy by size and class, and learning{where}\n"
        yield from (f"Not measured in {sentence}\n" for sentence in group.accuracy.missing)
        yield from map(to_markdown, tables)
    yield f"## Methods{where}\n\n{methods(comparison, group)}\n"
    yield f"## All metrics{where}\n"
    yield to_markdown(described_table(group))
