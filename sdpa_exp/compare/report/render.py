"""Fills the templates: report.html (one file, no network), report.md, and the note that MLflow shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sdpa_exp.compare.comparison import Comparison, Group
from sdpa_exp.compare.report.figures.figures import first_charts, with_figures
from sdpa_exp.compare.report.figures.style import Picture
from sdpa_exp.compare.report.methods import question
from sdpa_exp.compare.report.model import Section, sections, where
from sdpa_exp.compare.report.pages import templates
from sdpa_exp.compare.report.tables import arms_table

MAX_DRAWN_GROUPS = 8
MAX_FIRST_GROUPS = 3  # on the first screen
_ONLY_ON_A_PAGE = frozenset({"kernels", "layers", "environment", "settings"})
_SHORT = frozenset({"arms", "side_by_side", "verdicts", "noise_floor"})


def report_html(comparison: Comparison) -> str:
    """The whole page. Beyond some groups there are tables and verdicts only, so that it stays readable."""
    shown = []
    for number, group in enumerate(comparison.groups):
        found = sections(comparison, group)
        if number < MAX_DRAWN_GROUPS:  # the first screen has the arms, and layers say more than the sum of kernels
            drawn = with_figures(found, comparison, group)
            shown.append((group, [s for s in drawn if s.key not in {"arms", "kernels"}]))
        else:
            shown.append((group, [s for s in found if s.key in _SHORT]))
    charts = {group.group_id: first_charts(comparison, group) for group in comparison.groups[:MAX_FIRST_GROUPS]}
    return _fill("report.html.jinja", comparison, shown, charts)


def report_markdown(comparison: Comparison) -> str:
    """The report without pictures, for issues and notes."""
    shown = [(g, [s for s in sections(comparison, g) if s.key not in _ONLY_ON_A_PAGE]) for g in comparison.groups]
    return _fill("report.md.jinja", comparison, shown).rstrip() + "\n"


def note(comparison: Comparison) -> str:
    """Headline, findings, the table of arms and the verdicts, in Markdown."""
    shown = [(g, [s for s in sections(comparison, g) if s.key in _SHORT]) for g in comparison.groups[:MAX_FIRST_GROUPS]]
    return _fill("note.md.jinja", comparison, shown).strip()


def _fill(
    template: str,
    comparison: Comparison,
    shown: Iterable[tuple[Group, list[Section]]],
    charts: Mapping[str, list[Picture]] | None = None,
) -> str:
    environment = templates(comparison.folder, is_html=template.endswith(".html.jinja"))
    others = [f for f in comparison.findings if f.severity != "error"]
    counts = [
        f"{number} {severity}{'s' if number > 1 and severity == 'warning' else ''}"
        for severity in ("warning", "info")
        if (number := sum(f.severity == severity for f in others))
    ]
    return environment.get_template(template).render(
        comparison=comparison,
        question=question(comparison, comparison.groups[0]) if comparison.groups else "",
        errors=[f for f in comparison.findings if f.severity == "error"],
        others=others,
        counts=" and ".join(counts),
        groups=[
            {
                "id": group.group_id,
                "where": where(group),
                "label": group.label,
                "arms": arms_table(group),
                "charts": (charts or {}).get(group.group_id, []),
                "use": _to_use(group),
                "sections": found,
            }
            for group, found in shown
        ],
    )


def _to_use(group: Group) -> str | None:
    """The arm that is recommended, if it is another than the baseline."""
    found = group.recommendation
    return None if found is None or found.is_baseline else found.arm
