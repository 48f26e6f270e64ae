"""All figures of a page: each group of them is a section of its own, in its place among the tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from sdpa_exp.compare.comparison import Comparison, Group
from sdpa_exp.compare.report.figures.answer import answer_charts
from sdpa_exp.compare.report.figures.curves import learning_curves
from sdpa_exp.compare.report.figures.machine import phase_times, telemetry_strips
from sdpa_exp.compare.report.figures.pairs import accuracy_against_cost, paired_dots
from sdpa_exp.compare.report.figures.sizes import ap_by_size_dots
from sdpa_exp.compare.report.figures.style import Picture, arm_styles, styled
from sdpa_exp.compare.report.model import Section

_BEFORE = frozenset({"arms", "side_by_side", "verdicts", "noise_floor"})


def first_charts(comparison: Comparison, group: Group) -> list[Picture]:
    """The charts of the first screen."""
    styles = arm_styles(list(group.runs.arms), comparison.baseline, copies=group.runs.copies)
    name = f"answer-{group.group_id}"
    with styled():
        charts = answer_charts(group.judged, group.verdicts, baseline=comparison.baseline, styles=styles, name=name)
        return list(charts)


def with_figures(sections: Iterable[Section], comparison: Comparison, group: Group) -> list[Section]:
    """The sections with their figures: runs and machine after the verdicts, sizes beside their table."""
    runs = group.runs
    with styled():
        styles = arm_styles(list(runs.arms), comparison.baseline, copies=runs.copies)
        drawn = {
            "Learning curves": tuple(learning_curves(runs, styles)),
            "Runs, paired by seed": tuple(paired_dots(runs, styles)),
            "Accuracy against cost": tuple(accuracy_against_cost(runs, styles)),
            "Time and machine": (*phase_times(runs), *telemetry_strips(runs, styles)),
        }
        by_size = tuple(ap_by_size_dots(group, styles))
    found = [dataclasses.replace(s, pictures=by_size) if s.key == "sizes" else s for s in sections]
    figures = [Section(key="figures", title=title, pictures=pictures) for title, pictures in drawn.items() if pictures]
    place = sum(section.key in _BEFORE for section in found)
    return [*found[:place], *figures, *found[place:]]
