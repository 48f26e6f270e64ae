"""The questions that get a verdict: one primary metric each, with a margin named before the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from sdpa_exp.compare.findings.finding import Finding
from sdpa_exp.compare.load.run import CSV_TIME, Run
from sdpa_exp.compare.verdict import MarginKind, Question
from sdpa_exp.config.schema import CompareConfig
from sdpa_exp.errors import ComparisonError
from sdpa_exp.runs.purposes import AUTO, accuracy_metric

# Used when a run names none, as plain Ultralytics folders do. 0.005 of mAP is half a point.
DEFAULT_QUESTIONS = (
    Question(name="accuracy", metric=AUTO, margin=0.005, margin_kind="absolute"),
    Question(name="speed", metric="train_s", margin=0.02, margin_kind="relative"),
    Question(name="memory", metric="peak_memory_mib", margin=0.02, margin_kind="relative"),
)


def from_config(config: CompareConfig) -> tuple[Question, ...]:
    """The questions a configuration declares, or the default ones where it declares none.

    Raises:
        ComparisonError: a margin is of an unknown kind or not above 0.
    """
    questions = []
    for name, primary in config.primary.items():
        kinds = get_args(MarginKind)
        kind = next((known for known in kinds if known == primary.margin_kind), None)
        if kind is None:
            raise ComparisonError(
                f"compare.primary.{name}.margin_kind={primary.margin_kind} is unknown: "
                f"expected one of {', '.join(kinds)}."
            )
        if not primary.margin > 0:
            raise ComparisonError(
                f"compare.primary.{name}.margin={primary.margin} is not above 0: "
                f"give the difference that doesn't matter."
            )
        questions.append(
            Question(name=name, metric=primary.metric, margin=float(primary.margin), margin_kind=kind)
        )  # fmt: skip
    return tuple(questions) or DEFAULT_QUESTIONS


def by_purpose(questions: Sequence[Question], runs: Sequence[Run]) -> list[Question]:
    """`auto` made explicit: the accuracy of what the models of these runs are for, by what they measured."""
    metric = accuracy_metric({name for run in runs for name in run.metrics})
    return [replace(each, metric=metric) if each.metric == AUTO else each for each in questions]


def for_runs(questions: Sequence[Question], runs: Sequence[Run]) -> tuple[list[Question], list[Finding]]:
    """Where no run measured train_s but results.csv has a clock, ask for that, and say so; `auto` stays."""
    measured = {name for run in runs for name in run.metrics}
    asked: list[Question] = []
    findings: list[Finding] = []
    for question in questions:
        if question.metric == "train_s" and "train_s" not in measured and CSV_TIME in measured:
            asked.append(replace(question, metric=CSV_TIME))
            findings.append(
                Finding(
                    code="metric-replaced",
                    severity="info",
                    sentence="Time is the last value of the time column in results.csv: it counts the first epoch and "
                    "all validation, which our own train_s leaves out.",
                    evidence={"question": question.name, "planned": question.metric, "used": CSV_TIME},
                )
            )
        else:
            asked.append(question)
    return asked, findings
