"""The verdict on one question about one arm: its kind, and what it rests on; wording.py says it.

Only the metric that was declared for a question before the run gets a verdict; all else is description.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from sdpa_exp.compare import numbers, wording
from sdpa_exp.compare.statistics.power import detectable_effect, holm, holm_levels, seeds_range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdpa_exp.compare.statistics.paired import PairedTest

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
        p, p_equivalence: adjusted after Holm over the `num_arms` arms of the question.
        detectable: smallest true difference these pairs would have shown with power 0.8.
        level, level_equivalence: of the intervals that agree with the two tests: 1 - alpha and 1 - 2 alpha for one
            arm, Holm's for several.
        seeds_needed: pairs that would settle what is inconclusive, at the smallest and the largest likely SD; None at
            an end: more than 1,000; None: not inconclusive, or fewer than 5 pairs, which say nothing about it.
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
    num_arms: int = 1
    detectable: float | None = None
    level: float | None = None
    level_equivalence: float | None = None
    seeds_needed: tuple[int | None, int | None] | None = None
    noise_floor: float | None = None


def decide(p: float, p_equivalence: float, alpha: float) -> VerdictKind:
    """The rule: two tests, four outcomes."""
    if p < alpha:
        return "different but within the margin" if p_equivalence < alpha else "different"
    return "equivalent" if p_equivalence < alpha else "inconclusive"


def judge(
    question: Question,
    baseline: str,
    tests: Mapping[str, PairedTest | None],
    reasons: Mapping[str, str],
    alpha: float,
) -> list[Verdict]:
    """Verdicts on one question for all arms, adjusted together. `reasons` says why an arm has no test at all."""
    noisy = {arm: test for arm, test in tests.items() if test is not None and test.p is not None}
    of_tests: dict[str, dict[str, float]] = {arm: {} for arm in noisy}
    for name, level_name, sides in (("p", "level", 1), ("p_equivalence", "level_equivalence", 2)):
        p_values = [float(getattr(test, name)) for test in noisy.values()]
        levels = holm_levels(p_values, alpha)
        for arm, p, level in zip(noisy, holm(p_values), levels, strict=True):
            of_tests[arm] |= {name: p, level_name: 1 - sides * level}
    verdicts = []
    for arm, test in tests.items():
        verdict = Verdict(question=question, arm=arm, baseline=baseline, kind="no pairs", sentence="", test=test)
        if test is not None and arm in noisy:
            adjusted: dict[str, Any] = of_tests[arm]
            verdict = _tested(replace(verdict, **adjusted, num_arms=len(noisy)), test, alpha)
        elif test is not None:
            verdict = replace(verdict, kind="deterministic" if test.is_deterministic else "no test")
        reason = reasons.get(arm, "no seed has a finished run in both arms")
        verdicts.append(replace(verdict, sentence=wording.sentence(verdict, reason)))
    return verdicts


def _tested(verdict: Verdict, test: PairedTest, alpha: float) -> Verdict:
    """A verdict from two pairs or more that vary."""
    assert verdict.p is not None and verdict.p_equivalence is not None  # noqa: PT018 - one claim: the test ran
    assert test.sd is not None and test.margin is not None  # noqa: PT018
    kind = decide(verdict.p, verdict.p_equivalence, alpha)
    strict = alpha / verdict.num_arms
    needed = seeds_range(test.sd, test.n, test.margin, alpha=strict) if kind == "inconclusive" else None
    return replace(verdict, kind=kind, detectable=detectable_effect(test.sd, test.n, alpha=strict), seeds_needed=needed)
