"""The screen's text of task=answer: the sentence, a table, the line to use it, and what was not run."""

from __future__ import annotations

from sdpa_exp.compare.answer.judge import Judged
from sdpa_exp.compare.answer.recommend import Recommendation
from sdpa_exp.compare.answer.sentence import refused_sentence, still_to_tell
from sdpa_exp.compare.answer.tables import answer_table, remarks, where_sentence
from sdpa_exp.text_report import plain_table, text_of

_ONLY_ON_THE_PAGE = ("kernel",)


def render_answer(headline: str, judged: Judged, recommendation: Recommendation, command: str) -> str:
    """The report as text, as wide as the terminal that the parent announced (COLUMNS)."""
    found, table = judged.measurement, answer_table(judged).without(*_ONLY_ON_THE_PAGE)
    header = [name.strip() for name in table.header]
    lines = [
        f"{arm} runs the same kernel as {other} here ({found.kernels.get(other, '?')}), and was not timed again."
        for arm, other in found.same_as.items()
    ]
    if recommendation.as_good:
        lines.append(f"Not shown to be slower than {recommendation.arm}: {', '.join(recommendation.as_good)}.")
    lines += remarks(judged)
    if found.refused:
        lines.append(f"not run here: {refused_sentence(list(found.refused.items()))}")
    return text_of(
        f"\n{headline}\n",
        where_sentence(judged),
        plain_table(header, table.rows, texts=header[:2]),
        table.caption,
        *lines,
        still_to_tell(recommendation, found.baseline),
        f"\nto use it:  {command}",
    )
