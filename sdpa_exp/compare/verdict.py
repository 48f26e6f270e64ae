"""The verdict on one question about one arm: its kind, and what it rests on; wording.py says it.

Only the metric that was declared for a question before the run gets a verdict; all else is description.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sdpa_exp.compare import numbers, wording
from sdpa_exp.compare.statistics.holm import holm, holm_levels
from sdpa_exp.compare.statistics.paired import PairedTest
from sdpa_exp.compare.statistics.power import MIN_PAIRS_TO_PLAN, SeedsNeeded, detectable_effect, pooled_sd, seeds_needed

VerdictKind = Literal[
    "different", "different but within the margin", "equivalent", "inconclusive", "deterministic", "no test",
    "no pairs", "not comparable", "within the noise floor", "same attention",
]  # fmt: skip
MarginKind = Literal["absolute", "relative"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question with its primary metric and the margin inside which arms count as equivalent."""

    name: str
    metric: str
    margin: float
    margin_kind: MarginKind

    def margin_for(self, baseline_mean: float) -> float:
        """The margin in the unit of the metric."""
        return self.margin if self.margin_kind == "absolute" else self.margin * abs(baseline_mean)

    def margin_text(self) -> str:
        """`0.5 points`, `2 %`."""
        if self.margin_kind == "relative":
            return f"{100 * self.margin:g} %"
        if numbers.is_in_points(self.metric):
            return f"{100 * self.margin:g} points"
        return f"{self.margin:g} {numbers.metric_of(self.metric).unit}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What can be said of an arm against its baseline.

    Attributes:
        p, p_equivalence: adjusted after Holm over the `num_tests` tests of the comparison: all arms and questions.
        detectable: smallest true difference these pairs would have shown with power 0.8.
        level, level_equivalence: of the intervals that agree with the two tests: 1 - alpha and 1 - 2 alpha for one
            test, Holm's for several.
        best_of: of how many arms this one is the best, where it is different: luck picks, too, so that its gain needs
            the interval at `level_best`, at which those of all tests hold together.
        seeds_needed: pairs that would settle what is inconclusive, from the SDs of all arms of the question; None: not
            inconclusive, or fewer than 5 pairs, which say nothing about it.
        noise_floor: of the metric, from an A/A control; None without one.
    """

    question: Question
    arm: str
    baseline: str
    kind: VerdictKind
    sentence: str
    test: PairedTest | None = None
    p: float | None = None
    p_equivalence: float | None = None
    num_tests: int = 1
    best_of: int | None = None
    level_best: float | None = None
    detectable: float | None = None
    level: float | None = None
    level_equivalence: float | None = None
    seeds_needed: SeedsNeeded | None = None
    noise_floor: float | None = None


Key = tuple[Question, str]  # and an arm
_NO_PAIR = "no seed has a finished run in both arms"


def decide(p: float, p_equivalence: float, alpha: float) -> VerdictKind:
    """The rule: two tests, four outcomes."""
    if p < alpha:
        return "different but within the margin" if p_equivalence < alpha else "different"
    return "equivalent" if p_equivalence < alpha else "inconclusive"


def judge(
    tests: Mapping[Key, PairedTest | None], baseline: str, reasons: Mapping[Key, str], alpha: float
) -> list[Verdict]:
    """Verdicts on all questions about all arms, adjusted together: the level is that of the whole comparison.

    Args:
        tests: (question, arm) -> the test of the arm against the baseline; None where there is no pair.
        baseline: the arm that all are compared with.
        reasons: why there is no pair.
        alpha: the level.
    """
    noisy = {key: test for key, test in tests.items() if test is not None and test.p is not None}
    of_tests: dict[Key, dict[str, float]] = {key: {} for key in noisy}
    for name, level_name, sides in (("p", "level", 1), ("p_equivalence", "level_equivalence", 2)):
        p_values = [float(getattr(test, name)) for test in noisy.values()]
        levels = holm_levels(p_values, alpha)
        for key, p, level in zip(noisy, holm(p_values), levels, strict=True):
            of_tests[key] |= {name: p, level_name: 1 - sides * level}
    verdicts = []
    for (question, arm), test in tests.items():
        key = (question, arm)
        verdict = Verdict(question=question, arm=arm, baseline=baseline, kind="no pairs", sentence="", test=test)
        if test is not None and key in noisy:
            adjusted: dict[str, Any] = of_tests[key]
            alike = [other for (asked, _), other in noisy.items() if asked == question and other.n == test.n]
            same = [other.sd for other in alike if other.sd]
            verdict = _tested(replace(verdict, **adjusted, num_tests=len(noisy)), test, same, alpha)
        elif test is not None:
            verdict = replace(verdict, kind="deterministic" if test.is_deterministic else "no test")
        verdicts.append(verdict)
    return [
        replace(verdict, sentence=wording.sentence(verdict, reasons.get((verdict.question, verdict.arm), _NO_PAIR)))
        for verdict in _with_best(verdicts, alpha)
    ]


def _with_best(verdicts: Sequence[Verdict], alpha: float) -> Iterator[Verdict]:
    """The verdicts, where the best of several arms that differ knows that it was picked."""
    for verdict in verdicts:
        sign = {"higher": 1, "lower": -1}.get(numbers.metric_of(verdict.question.metric).better or "", 0)
        gains = [
            sign * other.test.mean
            for other in verdicts
            if other.question == verdict.question and other.test is not None and other.p is not None
        ]
        gain = sign * verdict.test.mean if verdict.kind == "different" and verdict.test is not None else 0.0
        is_best = len(gains) > 1 and gain > 0 and gain == max(gains)
        yield replace(verdict, best_of=len(gains), level_best=1 - alpha / verdict.num_tests) if is_best else verdict


def _tested(verdict: Verdict, test: PairedTest, same: Sequence[float], alpha: float) -> Verdict:
    """A verdict from two pairs or more that vary; `same` are SDs of the question's arms with as many pairs."""
    assert verdict.p is not None and verdict.p_equivalence is not None  # noqa: PT018 - one claim: the test ran
    assert test.sd is not None and test.margin is not None  # noqa: PT018
    kind = decide(verdict.p, verdict.p_equivalence, alpha)
    strict = alpha / verdict.num_tests
    needed = None
    if kind == "inconclusive" and test.n >= MIN_PAIRS_TO_PLAN:
        needed = seeds_needed(*pooled_sd(same, test.n), test.margin, alpha=strict)
    return replace(verdict, kind=kind, detectable=detectable_effect(test.sd, test.n, alpha=strict), seeds_needed=needed)
