"""Speed and memory in a comparison of trainings: the verdicts come from what was measured side by side, where it was.

`train_s` and the resident set of the trainings then describe: they hold what the machine did meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sdpa_exp.compare.answer.judge import DEFAULT_MARGIN, Judged, judge_measurement
from sdpa_exp.compare.answer.measurement import Measurement
from sdpa_exp.compare.answer.recommend import recommend
from sdpa_exp.compare.comparison import Group
from sdpa_exp.compare.findings.finding import Finding
from sdpa_exp.compare.verdict import Question, Verdict

_SPEED = frozenset({"train_s", "total_s", "images_per_s"})
_MEMORY = frozenset({"peak_memory_mib"})
SIDE_BY_SIDE = _SPEED | _MEMORY
"""Metrics of trainings that have a better answer."""


def judge_beside(measurement: Measurement, questions: Sequence[Question], alpha: float) -> Judged:
    """Judge with the margins that were declared for the trainings' metrics, where those are shares."""

    def margin(metrics: frozenset[str]) -> float:
        found = (q.margin for q in questions if q.metric in metrics and q.margin_kind == "relative")
        return next(found, DEFAULT_MARGIN)

    return judge_measurement(measurement, alpha=alpha, speed_margin=margin(_SPEED), memory_margin=margin(_MEMORY))


def with_recommendation(group: Group) -> Group:
    """The group with what follows from side-by-side measurement and trained accuracy; unchanged without the former."""
    if group.judged is None:
        return group
    return replace(group, recommendation=recommend(group.judged, accuracy_of(group)))


def accuracy_of(group: Group) -> tuple[Verdict, ...]:
    """The verdicts on accuracy: on the question of that name, else on the first."""
    named = tuple(verdict for verdict in group.verdicts if verdict.question.name == "accuracy")
    first = group.verdicts[0].question.name if group.verdicts else ""
    return named or tuple(verdict for verdict in group.verdicts if verdict.question.name == first)


def by_trainings(interleaved: Mapping[str, Measurement | str]) -> Iterator[Finding]:
    """Groups whose speed and memory could not be measured side by side, with the reason."""
    for group_id, found in interleaved.items():
        if isinstance(found, str):
            yield Finding(
                code="speed-by-trainings",
                severity="info",
                sentence="Speed and memory are judged by the trainings themselves, which differ by what the machine "
                f"did meanwhile; they were not measured side by side: {found}.",
                evidence={"reason": found},
                group_id=group_id,
            )
