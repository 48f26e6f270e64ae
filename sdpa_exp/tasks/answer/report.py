"""The screen's text of task=answer: the sentence, a table, the line to use it, and what was not run."""

from __future__ import annotations

from sdpa_exp.compare.answer.judge import Judged
from sdpa_exp.compare.answer.recommend import Recommendation
from sdpa_exp.compare.answer.sentence import refused_sentence, still_to_tell
from sdpa_exp.compare.answer.tables import answer_table, remarks, where_sentence
from sdpa_exp.text_report import TextReport, plain_table

_ONLY_ON_THE_PAGE = ("kernel",)


def render_answer(headline: str, judged: Judged, recommendation: Recommendation, command: str) -> str:
    """The report as text, as wide as the terminal that the parent announced (COLUMNS)."""
    report, found = TextReport(), judged.measurement
    report.say(f"\n{headline}\n")
    report.say(where_sentence(judged))
    table = answer_table(judged).without(*_ONLY_ON_THE_PAGE)
    shown = plain_table()
    for place, name in enumerate(table.header):
        shown.add_column(name.strip(), justify="left" if place < 2 else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    report.show(shown)
    report.say(table.caption)
    for arm, other in found.same_as.items():
        report.say(
            f"{arm} runs the same kernel as {other} here ({found.kernels.get(other, '?')}), and was not timed again."
        )
    if recommendation.as_good:
        report.say(f"Not shown to be slower than {recommendation.arm}: {', '.join(recommendation.as_good)}.")
    for sentence in remarks(judged):
        report.say(sentence)
    if found.refused:
        report.say(f"not run here: {refused_sentence(list(found.refused.items()))}")
    report.say(still_to_tell(recommendation, found.baseline))
    report.say(f"\nto use it:  {command}")
    return report.text
