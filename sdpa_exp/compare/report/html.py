"""The report: report.html (one file, no network), report.md, and tables for papers, beside comparison.json."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from sdpa_exp.compare.load.groups import into_groups
from sdpa_exp.compare.report import html_parts as html
from sdpa_exp.compare.report.accuracy_tables import accuracy_tables
from sdpa_exp.compare.report.evidence import environment_rows, kernel_rows
from sdpa_exp.compare.report.figures.curves import learning_curves
from sdpa_exp.compare.report.figures.machine import phase_times, telemetry_strips
from sdpa_exp.compare.report.figures.pairs import accuracy_against_cost, paired_dots
from sdpa_exp.compare.report.figures.sizes import ap_by_size_dots
from sdpa_exp.compare.report.figures.style import arm_styles, styled
from sdpa_exp.compare.report.methods import methods, question
from sdpa_exp.compare.report.tables import arms_table, described_table, differences_table, noise_table
from sdpa_exp.compare.report.terminal import relative_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sdpa_exp.compare.comparison import Comparison, Group
    from sdpa_exp.compare.load.groups import GroupRuns
    from sdpa_exp.compare.report.figures.style import Picture

_MAX_RUN_ROWS = 200
_MAX_DRAWN_GROUPS = 8


def report_html(comparison: Comparison) -> str:
    """The whole page."""
    css = resources.files("sdpa_exp.compare.report").joinpath("templates", "report.css").read_text(encoding="utf-8")
    body = "\n".join(_sections(comparison))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(comparison.name)}: comparison</title><style>\n{css}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _sections(comparison: Comparison) -> Iterator[str]:
    yield from _first_screen(comparison)
    others = [f for f in comparison.findings if f.severity != "error"]
    if others:
        yield f'<h2 id="findings">Findings</h2>{html.findings(others)}'
    by_id = {group.group_id: group for group in into_groups(comparison.runs)}
    for number, group in enumerate(comparison.groups):
        yield from _group(comparison, group, by_id[group.group_id], is_short=number >= _MAX_DRAWN_GROUPS)
    yield "<h2>Runs</h2>" + _runs(comparison)
    if comparison.command:
        yield f"<p class='soft'>Command: <code>{escape(comparison.command)}</code></p>"


def _first_screen(comparison: Comparison) -> Iterator[str]:
    """Question, answer, what is wrong with it, and the table."""
    first = comparison.groups[0] if comparison.groups else None
    yield f"<h1>{escape(comparison.name)}</h1>"
    if first is not None:
        yield f'<p class="question">{escape(question(comparison, first))}</p>'
    yield f'<p class="headline">{escape(comparison.headline)}</p>'
    yield html.findings(f for f in comparison.findings if f.severity == "error")
    counts = [
        f"{number} {severity}{'s' if number > 1 and severity == 'warning' else ''}"
        for severity in ("warning", "info")
        if (number := sum(f.severity == severity for f in comparison.findings))
    ]
    if counts:
        yield f'<p class="soft"><a href="#findings">More findings: {" and ".join(counts)}</a></p>'
    for group in comparison.groups[:3]:
        if len(comparison.groups) > 1:
            yield f'<p class="soft">Comparison group {escape(group.group_id)}</p>'
        yield html.table(arms_table(group))


def _group(comparison: Comparison, group: Group, runs: GroupRuns, *, is_short: bool) -> Iterator[str]:
    """Everything about one group; a short one has its table and verdicts only, so that a page stays readable."""
    where = f" in group {escape(group.group_id)}" if len(comparison.groups) > 1 else ""
    if group.verdicts:
        lines = [
            f'<li><span class="kind">{escape(v.question.name)}:</span> {escape(v.sentence.partition(": ")[2])}</li>'
            for v in group.verdicts
        ]
        yield f'<h2>Verdicts{where}</h2><ul class="verdicts">{"".join(lines)}</ul>'
    if group.noise_floors:
        yield f"<h2>A/A noise floor{where}</h2>{html.table(noise_table(group))}"
    if is_short:
        yield html.table(arms_table(group))
        return
    with styled():
        styles = arm_styles(list(runs.arms), comparison.baseline, copies=runs.copies)
        groups: tuple[tuple[str, Iterable[Picture]], ...] = (
            ("Learning curves", learning_curves(runs, styles)),
            ("Runs, paired by seed", paired_dots(runs, styles)),
            ("Accuracy against cost", accuracy_against_cost(runs, styles)),
            ("Time and machine", [*phase_times(runs), *telemetry_strips(runs, styles)]),
        )
        by_size = "".join(html.figure(picture, comparison.folder) for picture in ap_by_size_dots(group, styles))
        for title, pictures in groups:
            drawn = "".join(html.figure(picture, comparison.folder) for picture in pictures)
            if drawn:
                yield f'<h2>{title}{where}</h2><div class="figures">{drawn}</div>'
    yield from _accuracy(group, where, by_size)
    if group.differences:
        table = differences_table(group, comparison.baseline, comparison.alpha)
        yield f"<h2>Paired differences{where}</h2>{html.table(table)}"
    kernels = kernel_rows(runs)
    if kernels:
        header = ("arm", "stage", "kernel", "layers", "dtype", "q shape", "device kernels")
        yield f"<h2>Attention kernels that ran{where}</h2>{html.text_table(header, kernels)}"
    yield f"<h2>Methods{where}</h2><p>{escape(methods(comparison, group))}</p>"
    described = html.table(described_table(group))
    yield f"<h2>All metrics{where}</h2><details><summary>mean, SD, CV, range</summary>{described}</details>"
    environment = environment_rows(runs)
    if environment:
        yield f"<h2>Environment{where}</h2><details><summary>versions and machine</summary>"
        yield html.text_table(("what", "value"), environment) + "</details>"
    if group.settings:
        rows = [(key, str(value)) for key, value in sorted(group.settings.items()) if value is not None]
        yield f"<h2>Settings{where}</h2><details><summary>equal in all runs</summary>"
        yield html.text_table(("setting", "value"), rows) + "</details>"


_ACCURACY_TITLES = {
    "sizes": "AP by object size",
    "classes": "AP by class",
    "accuracy_runs": "best.pt of each run",
    "learning": "How the arms learned",
}
_MAX_OPEN_ROWS = 12


def _accuracy(group: Group, where: str, by_size: str) -> Iterator[str]:
    """The tables of accuracy and learning; long ones are folded. Without accuracy.json it says why there is none."""
    missing = "".join(f'<p class="soft">Not measured in {escape(text)}</p>' for text in group.accuracy.missing)
    found = {table.name: table for table in accuracy_tables(group)}
    if missing and "sizes" not in found:
        yield f"<h2>{_ACCURACY_TITLES['sizes']}{where}</h2>{missing}"
    for name, data in found.items():
        drawn = html.table(data)
        if len(data.rows) > _MAX_OPEN_ROWS:
            drawn = f"<details><summary>{len(data.rows)} rows</summary>{drawn}</details>"
        if name == "sizes":
            drawn = f'<div class="figures">{by_size}</div>{drawn}{missing}'
        yield f"<h2>{_ACCURACY_TITLES[name]}{where}</h2>{drawn}"


def _runs(comparison: Comparison) -> str:
    """Every run with status and folder."""
    rows = "".join(
        f'<tr><td class="text">{html.run_link(run, comparison.folder)}</td><td class="text">{run.status}</td>'
        f'<td class="text long">{escape(run.reason or "")}</td>'
        f'<td class="text"><code>{escape(relative_path(run.folder, comparison.folder))}</code></td></tr>'
        for run in comparison.runs[:_MAX_RUN_ROWS]
    )
    more = len(comparison.runs) - _MAX_RUN_ROWS
    note = f'<p class="soft">{more} more runs are in comparison.json.</p>' if more > 0 else ""
    head = "".join(f'<th class="text">{name}</th>' for name in ("run", "status", "reason", "folder"))
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{note}'
