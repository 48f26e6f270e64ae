"""The one recommendation, and why: the fastest arm that is shown to be faster and to change nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdpa_exp.compare.answer.judge import Judged, compare_directly
from sdpa_exp.compare.findings.finding import listed
from sdpa_exp.compare.verdict import Verdict

_PREFERRED = "sdpa"  # among equals: PyTorch chooses its kernel, so that it runs on any device and in any precision


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The arm to use, and what speaks for it.

    Attributes:
        reason: the rest of a sentence that begins with `Use sdpa: ` or `Keep stock: `.
        as_good: arms that could not be told from it in speed.
    """

    arm: str
    is_baseline: bool
    reason: str
    as_good: tuple[str, ...] = ()

    @property
    def call(self) -> str:
        """`Use sdpa`, `Keep stock`."""
        return f"{'Keep' if self.is_baseline else 'Use'} {self.arm}"

    @property
    def sentence(self) -> str:
        """Such as `Use sdpa: 1.07 times as fast per step (1.02 to 1.11), same memory, same function to rounding`."""
        return f"{self.call}: {self.reason}."


def recommend(judged: Judged, accuracy: Sequence[Verdict] = ()) -> Recommendation:
    """Choose; `accuracy` are the verdicts of trainings, where there were any.

    An arm counts that computes the same function as stock, or trained to an accuracy that is as good, and whose
    accuracy was not shown to be lower. Of those shown to be faster per step by more than the margin it is the fastest,
    or sdpa where that is faster too and the two can't be told apart; where none is, one that is as fast and takes less
    memory; else the baseline stays.
    """
    found = judged.measurement
    trained = {verdict.arm: verdict for verdict in accuracy}
    fit = [arm for arm in found.others if _is_fit(judged, arm, trained)]
    faster = [arm for arm in fit if judged.step[arm].kind == "faster"]
    if faster:
        best = max(faster, key=lambda arm: judged.step[arm].ratio)
        equal = [arm for arm in fit if arm != best and _is_as_fast(judged, arm, best)]
        chosen = _PREFERRED if _PREFERRED in equal and judged.step[_PREFERRED].is_faster else best
        as_good = tuple(arm for arm in fit if arm != chosen and (arm == best or arm in equal))
        return Recommendation(arm=chosen, is_baseline=False, reason=_reason(judged, chosen), as_good=as_good)
    leaner = [
        arm
        for arm in fit
        if arm in judged.memory and judged.memory[arm].kind == "smaller" and not judged.step[arm].is_slower
        and judged.step[arm].kind != "inconclusive"
    ]  # fmt: skip
    if leaner:
        chosen = min(leaner, key=lambda arm: judged.memory[arm].mean_mib)
        return Recommendation(arm=chosen, is_baseline=False, reason=_reason(judged, chosen))
    return Recommendation(arm=found.baseline, is_baseline=True, reason=_why_keep(judged, fit, trained))


def _is_fit(judged: Judged, arm: str, trained: Mapping[str, Verdict]) -> bool:
    """Whether an arm may be recommended at all."""
    function, verdict = judged.measurement.functions.get(arm), trained.get(arm)
    kind = None if verdict is None else verdict.kind
    mean = 0.0 if verdict is None or verdict.test is None else verdict.test.mean
    if kind == "different" and mean < 0:
        return False
    is_same = function is None or function.ok  # None: stock itself, beside another baseline
    return is_same or kind in ("equivalent", "different but within the margin") or (kind == "different" and mean > 0)


def _is_as_fast(judged: Judged, arm: str, best: str) -> bool:
    """Whether an arm is not shown to be slower than the best by more than the margin."""
    speed = judged.step[best]
    low, _ = compare_directly(judged.measurement, best, arm, level=speed.level)
    return low <= 1 + speed.margin


def _reason(judged: Judged, arm: str) -> str:
    """Speed, memory and function of the chosen arm."""
    function, parts = judged.measurement.functions.get(arm), [judged.step[arm].words()]
    if arm in judged.memory:
        parts.append(judged.memory[arm].words())
    if function is not None:
        parts.append(function.words())
    return ", ".join(parts)


def _why_keep(judged: Judged, fit: Sequence[str], trained: Mapping[str, Verdict]) -> str:
    """Why no other arm is recommended."""
    found = judged.measurement
    if not found.others:
        if found.same_as:
            return f"{listed(found.same_as)} would run the same kernel, and nothing else can train here"
        return "no other attention can train here"
    wrong = [arm for arm in found.others if arm not in fit]
    spoilt = [arm for arm in wrong if judged.step[arm].kind == "faster"]
    if spoilt:
        lower = [arm for arm in spoilt if arm in trained and trained[arm].kind == "different"]
        why = "lower accuracy" if lower else "another function"
        fastest = max(spoilt, key=lambda arm: judged.step[arm].ratio)
        return f"{fastest} is {judged.step[fastest].words()}, but {why} is its price"
    if len(fit) == 1 and found.kernels.get(fit[0]) == found.kernels.get(found.baseline) != "explicit softmax":
        return f"{fit[0]} runs the same attention kernel here ({found.kernels[fit[0]]}): {judged.step[fit[0]].words()}"
    best = max(fit or found.others, key=lambda arm: judged.step[arm].ratio)
    speed = judged.step[best]
    name = best if len(found.others) == 1 else f"{best}, the fastest of the others,"
    margin = f"{100 * speed.margin:g} %"
    says = {
        "inconclusive": f"it is inconclusive whether {name} is faster",
        "equivalent": f"{name} is as fast within {margin}",
        "faster within the margin": f"{name} is faster by less than {margin}",
    }.get(speed.kind, f"{name} is slower")
    return f"{says}: {speed.words()}"
