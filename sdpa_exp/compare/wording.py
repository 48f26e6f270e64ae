"""How a verdict is said: one sentence with the difference, its interval, what was tested and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdpa_exp.compare import numbers
from sdpa_exp.compare.load.run import CSV_TIME
from sdpa_exp.compare.statistics.power import MAX_SEEDS, MIN_PAIRS_TO_PLAN, POWER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sdpa_exp.compare.statistics.paired import PairedTest
    from sdpa_exp.compare.verdict import Verdict

_WORDS = {  # metric -> what an arm with a larger and with a smaller value is
    "train_s": ("slower", "faster"),
    CSV_TIME: ("slower", "faster"),
    "total_s": ("slower", "faster"),
    "images_per_s": ("faster", "slower"),
    "peak_memory_mib": ("larger in memory", "smaller in memory"),
}


def sentence(verdict: Verdict, reason: str = "") -> str:
    """The verdict in words; `reason` says why there is no pair."""
    return f"{verdict.question.name}: {_text(verdict, reason)}.{_selected(verdict)}"


def _selected(verdict: Verdict) -> str:
    """What is left of the gain of the best of several arms, of which luck has picked, too."""
    if verdict.best_of is None or verdict.level_best is None or verdict.test is None:
        return ""
    level = verdict.level_best
    bounds = verdict.test.interval(level)
    inside = "" if bounds is None else numbers.interval(verdict.question.metric, *bounds, unit=True)
    return f" Best of {verdict.best_of} arms: {100 * level:.3g} % interval {inside}, which allows for the choice."


def _text(verdict: Verdict, reason: str) -> str:
    arm, baseline, test = verdict.arm, verdict.baseline, verdict.test
    if test is None:
        return f"no verdict on {arm} against {baseline}: {reason}"
    metric, margin = verdict.question.metric, verdict.question.margin_text()
    better = f"{arm} is {way(metric, test.mean)} than {baseline}"
    if verdict.kind == "no test":
        text = f"one seed, so no test of {arm} against {baseline}: {size(metric, test)}"
    elif verdict.kind == "deterministic" and test.mean == 0:
        text = f"{metric} is identical in all {test.n} pairs of {arm} and {baseline}"
    elif verdict.kind == "deterministic":
        text = f"{better}: {size(metric, test)} in all {test.n} pairs, without variation"
    elif verdict.kind == "different":
        text = f"{better}: {figures(verdict)}"
    elif verdict.kind == "different but within the margin":
        text = f"{better}, but within the margin of {margin}: {figures(verdict)}, {_tost(verdict)}"
    elif verdict.kind == "equivalent":
        text = f"{arm} and {baseline} are equivalent within {margin}: {figures(verdict)}, {_tost(verdict)}"
    else:
        text = (
            f"inconclusive for {arm} against {baseline} (n = {test.n}; {seeds_text([verdict])}): "
            f"{size(metric, test, verdict.level)}, {p_text(verdict)}, {_tost(verdict)}; {_would_show(verdict)}"
        )
    return text


def figures(verdict: Verdict) -> str:
    """Size, pairs and p of a verdict that has a test."""
    assert verdict.test is not None
    parts = [size(verdict.question.metric, verdict.test, verdict.level), f"n = {verdict.test.n}"]
    return ", ".join(parts if verdict.p is None else [*parts, p_text(verdict)])


def size(metric: str, test: PairedTest, level: float | None = None) -> str:
    """`train_s -8.2 % (-11.9 s, 95 % interval -14.1 to -9.7 s)`."""
    if test.mean == 0 and test.low is None:
        return f"{metric} is the same"
    level = level or test.level
    bounds = test.interval(level)
    inside = ""
    if bounds is not None:
        inside = f"{100 * level:.3g} % interval {numbers.interval(metric, *bounds, unit=True)}"
    amount = numbers.difference(metric, test.mean, spread=test.standard_error)
    if numbers.is_in_points(metric) or not test.baseline_mean:
        return f"{metric} {amount}" + (f" ({inside})" if inside else "")
    share = numbers.percent(test.mean / test.baseline_mean)
    return f"{metric} {share} ({amount}" + (f", {inside})" if inside else ")")


def seeds_text(verdicts: Iterable[Verdict]) -> str:
    """`about 60 seeds would settle it (25 to 120, as far as the spread is known)`, for the arm that needs most."""
    needed = [verdict.seeds_needed for verdict in verdicts if verdict.seeds_needed is not None]
    if not needed:
        return f"{MIN_PAIRS_TO_PLAN} are needed to say how many would settle it"
    most = max(needed, key=lambda each: each.plan or MAX_SEEDS + 1)
    if most.least is None:
        return f"more than {MAX_SEEDS:,} seeds would settle it"
    plan, end = (f"more than {MAX_SEEDS:,}" if each is None else f"{each:,}" for each in (most.plan, most.most))
    about = f"about {plan}" if most.plan else plan
    return f"{about} seeds would settle it ({most.least:,} to {end}, as far as the spread is known)"


def p_text(verdict: Verdict) -> str:
    """`p = 0.03`, with the permutation test where there is one."""
    assert verdict.p is not None
    permutation = None if verdict.test is None else verdict.test.p_permutation
    more = "" if permutation is None else f" (permutation {numbers.p_value(permutation)})"
    return numbers.p_value(verdict.p) + more


def way(metric: str, mean: float) -> str:
    """What an arm is that differs from its baseline by `mean`: `faster`, `smaller in memory`, `higher in mAP50`."""
    larger, smaller = _WORDS.get(metric, (f"higher in {metric}", f"lower in {metric}"))
    return larger if mean > 0 else smaller


def is_worded(metric: str) -> bool:
    """Whether `way` has a word of its own for the metric, such as slower."""
    return metric in _WORDS


def _tost(verdict: Verdict) -> str:
    """`TOST p = 0.02 for 0.5 points (90 % interval -0.3 to +0.2 points)`: the interval that TOST is about."""
    assert verdict.test is not None
    assert verdict.p_equivalence is not None
    assert verdict.level_equivalence is not None
    bounds = verdict.test.interval(verdict.level_equivalence)
    inside = "" if bounds is None else numbers.interval(verdict.question.metric, *bounds, unit=True)
    text = f"TOST {numbers.p_value(verdict.p_equivalence)} for {verdict.question.margin_text()}"
    return f"{text} ({100 * verdict.level_equivalence:.3g} % interval {inside})"


def _would_show(verdict: Verdict) -> str:
    """What these pairs would have found; more than the whole scale is nothing."""
    assert verdict.test is not None
    assert verdict.detectable is not None
    metric = verdict.question.metric
    if numbers.is_in_points(metric) and verdict.detectable > 1:
        return f"{verdict.test.n} pairs can't be counted on to show any possible difference"
    least = numbers.difference(metric, verdict.detectable, spread=verdict.detectable / 10).lstrip("+")
    return f"{verdict.test.n} pairs would show {least} or more with power {POWER:g}"
