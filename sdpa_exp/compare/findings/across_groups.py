"""What several comparison groups say together about an arm, where a mean of their means would say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sdpa_exp.compare.findings.finding import Finding
from sdpa_exp.compare.load.groups import GroupRuns, usable
from sdpa_exp.compare.numbers import metric_of
from sdpa_exp.compare.statistics.across_groups import probability_of_improvement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sdpa_exp.compare.statistics.trim import FloatArray
    from sdpa_exp.compare.verdict import Question

MIN_RUNS = 3


def across_groups(groups: Sequence[GroupRuns], baseline: str, questions: Sequence[Question]) -> Iterator[Finding]:
    """For each question and arm, how probably its run is better than one of the baseline, over two groups or more."""
    arms = dict.fromkeys(arm for group in groups for arm in group.arms if arm != baseline and arm not in group.copies)
    for question in questions:
        sign = {"higher": 1.0, "lower": -1.0}.get(metric_of(question.metric).better or "", 0.0)
        for arm in arms if sign else ():
            pairs = [(_values(group, arm, question), _values(group, baseline, question)) for group in groups]
            whole = [(sign * a, sign * b) for a, b in pairs if min(a.size, b.size) >= MIN_RUNS]
            if len(whole) < 2:
                continue
            value, low, high = probability_of_improvement(whole)
            yield Finding(
                code="over-groups",
                severity="info",
                sentence=f"{question.name}: over {len(whole)} comparison groups, a run of {arm} is better than one of "
                f"{baseline} with probability {value:.2f} (95 % stratified bootstrap interval {low:.2f} to {high:.2f}; "
                f"0.5 is no difference).",
                evidence={"arms": [arm, baseline], "metric": question.metric, "probability": [value, low, high]},
            )


def _values(group: GroupRuns, arm: str, question: Question) -> FloatArray:
    runs = usable(group, arm).values() if arm in group.arms else ()
    return np.array([run.metrics[question.metric] for run in runs if question.metric in run.metrics])
