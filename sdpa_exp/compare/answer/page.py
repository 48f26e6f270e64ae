"""report.html of task=answer: one self-contained page; and the verdicts as plain values, for answer.json."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.answer.sentence import refused_sentence, still_to_tell
from sdpa_exp.compare.answer.tables import answer_sentences, answer_table, where_sentence
from sdpa_exp.compare.report.pages import templates

if TYPE_CHECKING:
    from sdpa_exp.compare.answer.judge import Judged
    from sdpa_exp.compare.answer.recommend import Recommendation


def answer_page(headline: str, judged: Judged, recommendation: Recommendation, command: str, asked: str) -> str:
    """The whole page."""
    from sdpa_exp.compare.report.figures.answer import answer_charts
    from sdpa_exp.compare.report.figures.style import arm_styles, styled

    found = judged.measurement
    styles = arm_styles(list(found.arms), found.baseline)
    with styled():
        charts = list(answer_charts(judged, (), baseline=found.baseline, styles=styles, name="answer"))
    return (
        templates(Path(), is_html=True)
        .get_template("answer.html.jinja")
        .render(
            headline=headline,
            where=where_sentence(judged),
            table=answer_table(judged),
            charts=charts,
            sentences=list(answer_sentences(judged)),
            command=command,
            arm=recommendation.arm,
            is_own=":" in recommendation.arm,
            still=still_to_tell(recommendation, found.baseline),
            as_good=recommendation.as_good,
            same_as=found.same_as,
            refused=refused_sentence(list(found.refused.items())),
            asked=asked,
        )
    )


def answer_content(judged: Judged, recommendation: Recommendation) -> dict[str, Any]:
    """The verdicts as plain values, for answer.json and comparison.json."""
    return {
        "verdicts": {
            "step": {arm: asdict(speed) for arm, speed in judged.step.items()},
            "inference": {arm: asdict(speed) for arm, speed in judged.inference.items()},
            "memory": {
                arm: {**asdict(memory), "kind": memory.kind, "mean_mib": memory.mean_mib}
                for arm, memory in judged.memory.items()
            },
        },
        "recommendation": asdict(recommendation),
    }
