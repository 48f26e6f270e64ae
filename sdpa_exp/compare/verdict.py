"""The verdict on one question about one arm: its kind, and the sentence that says it.

Only the metric that was declared for a question before the run gets a verdict; all else is description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sdpa_exp.compare import numbers
from sdpa_exp.compare.load.run import CSV_TIME
from sdpa_exp.compare.statistics.power import detectable_effect, holm, seeds_to_settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdpa_exp.compare.statistics.paired import PairedTest

VerdictKind = Literal[
    "different", "different but within the margin", "equivalent", "inconclusive", "deterministic", "no test",
    "no pairs", "within the noise floor", "same attention",
]  # fmt: skip
MarginKind = Literal["absolute", "relative"]
_WORDS = {  # metric -> what an arm with a larger and with a smaller value is
    "train_s": ("slower", "faster"),
    CSV_TIME: ("slower", "faster"),
    "total_s": ("slower", "faster"),
    "images_per_s": ("faster", "slower"),
    "peak_memory_mib": ("larger in memory", "smaller in memory"),
}


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
        seeds_needed: about how many pairs would settle what is inconclusive; None: more than 1,000, or not asked.
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
    seeds_needed: int | None = None
    noise_floor: float | None = None


def decide(p: float, p_equivalence: float, alpha: float) -> VerdictKind:
    """The rule: two tests, four outcomes."""
    if p < alpha:
        return "different but within the margin" if p_equivalence < alpha else "different"
    return "equivalent" if p_equivalence < alpha else "inconclusive"


def judge(
    question: Question, baseline: str, tests: dict[str, PairedTest | None], reasons: dict[str, str], alpha: float
) -> list[Verdict]:
    """Verdicts on one question for all arms, adjusted together. `reasons` says why an arm has no test at all."""
    noisy = [arm for arm, test in tests.items() if test is not None and test.p is not None]
    p = dict(zip(noisy, holm([_value(tests[arm], "p") for arm in noisy]), strict=True))
    p_tost = dict(zip(noisy, holm([_value(tests[arm], "p_equivalence") for arm in noisy]), strict=True))
    verdicts = []
    for arm, test in tests.items():
        if test is None:
            reason = reasons.get(arm, "no seed has a finished run in both arms")
            sentence = f"{question.name}: no verdict on {arm} against {baseline}: {reason}."
            verdicts.append(Verdict(question=question, arm=arm, baseline=baseline, kind="no pairs", sentence=sentence))
        elif arm in p:
            verdicts.append(
                _tested(
                    question,
                    arm,
                    baseline,
                    test,
                    p=p[arm],
                    p_tost=p_tost[arm],
                    num_arms=len(noisy),
                    alpha=alpha,
                )
            )
        else:
            verdicts.append(_untested(question, arm, baseline, test))
    return verdicts


def _tested(
    question: Question,
    arm: str,
    baseline: str,
    test: PairedTest,
    *,
    p: float,
    p_tost: float,
    num_arms: int,
    alpha: float,
) -> Verdict:
    """A verdict from two pairs or more that vary."""
    assert test.sd is not None and test.margin is not None  # noqa: PT018 - one claim: the test ran
    kind = decide(p, p_tost, alpha)
    strict = alpha / num_arms
    detectable = detectable_effect(test.sd, test.n, alpha=strict)
    needed = seeds_to_settle(test.mean, test.sd, test.margin, alpha=strict) if kind == "inconclusive" else None
    margin = question.margin_text()
    size, p_text = _size(question.metric, test), _p_text(test, p)
    outcome = f"{size}, n = {test.n}, {p_text}"
    equivalence = f"TOST {numbers.p_value(p_tost)}"
    if kind == "different":
        text = f"{arm} is {way(question.metric, test.mean)} than {baseline}: {outcome}."
    elif kind == "different but within the margin":
        direction = way(question.metric, test.mean)
        text = f"{arm} is {direction} than {baseline}, but within the margin of {margin}: {outcome}, {equivalence}."
    elif kind == "equivalent":
        text = f"{arm} and {baseline} are equivalent within {margin}: {outcome}, {equivalence}."
    else:
        cure = f"about {needed} seeds would do" if needed else "more than 1,000 seeds would be needed"
        least = numbers.difference(question.metric, detectable, spread=detectable / 10).lstrip("+")
        text = (
            f"inconclusive for {arm} against {baseline} (n = {test.n}; {cure}): {size}, {p_text}, "
            f"{equivalence} for {margin}; {test.n} pairs would show {least} or more."
        )
    return Verdict(
        question=question,
        arm=arm,
        baseline=baseline,
        kind=kind,
        sentence=f"{question.name}: {text}",
        test=test,
        p=p,
        p_equivalence=p_tost,
        num_arms=num_arms,
        detectable=detectable,
        seeds_needed=needed,
    )


def _untested(question: Question, arm: str, baseline: str, test: PairedTest) -> Verdict:
    """A verdict where no test is possible: one pair, or pairs whose differences do not vary."""
    kind: VerdictKind = "deterministic" if test.is_deterministic else "no test"
    size = _size(question.metric, test)
    if kind == "no test":
        text = f"one seed, so no test of {arm} against {baseline}: {size}."
    elif test.mean == 0:
        same = f"{question.metric} is the same in all {test.n} pairs of {arm} and {baseline}"
        text = f"{same} (deterministic: no noise floor, so no test)."
    else:
        text = f"{arm} minus {baseline} is {size} in all {test.n} pairs (deterministic: no noise floor, so no test)."
    return Verdict(
        question=question, arm=arm, baseline=baseline, kind=kind, sentence=f"{question.name}: {text}", test=test
    )  # fmt: skip


def figures(verdict: Verdict) -> str:
    """Size, pairs and p of a verdict that has a test."""
    assert verdict.test is not None
    parts = [_size(verdict.question.metric, verdict.test), f"n = {verdict.test.n}"]
    if verdict.p is not None:
        parts.append(_p_text(verdict.test, verdict.p))
    return ", ".join(parts)


def _p_text(test: PairedTest, p: float) -> str:
    more = "" if test.p_permutation is None else f" (permutation {numbers.p_value(test.p_permutation)})"
    return numbers.p_value(p) + more


def _size(metric: str, test: PairedTest) -> str:
    """`train_s -8.2 % (-11.9 s, 95 % interval -14.1 to -9.7)`."""
    if test.mean == 0 and test.low is None:
        return f"{metric} is the same"
    inside = ""
    if test.low is not None and test.high is not None:
        inside = f"{100 * test.level:g} % interval {numbers.interval(metric, test.low, test.high)}"
    amount = numbers.difference(metric, test.mean, spread=test.standard_error)
    if numbers.is_in_points(metric) or not test.baseline_mean:
        return f"{metric} {amount}" + (f" ({inside})" if inside else "")
    share = numbers.percent(test.mean / test.baseline_mean)
    return f"{metric} {share} ({amount}" + (f", {inside})" if inside else ")")


def way(metric: str, mean: float) -> str:
    """What an arm is that differs from its baseline by `mean`: `faster`, `smaller in memory`, `higher in mAP50`."""
    larger, smaller = _WORDS.get(metric, (f"higher in {metric}", f"lower in {metric}"))
    return larger if mean > 0 else smaller


def _value(test: PairedTest | None, name: Literal["p", "p_equivalence"]) -> float:
    value = None if test is None else getattr(test, name)
    assert value is not None
    return float(value)


def by_arm(verdicts: Sequence[Verdict], arm: str) -> tuple[Verdict, ...]:
    """The verdicts on one arm, in the order of the questions."""
    return tuple(verdict for verdict in verdicts if verdict.arm == arm)
