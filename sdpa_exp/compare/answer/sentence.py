"""The one sentence that a person would say, for task=answer and for the end of a sweep alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdpa_exp.compare import numbers
from sdpa_exp.compare.findings.finding import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdpa_exp.compare.answer.recommend import Recommendation
    from sdpa_exp.compare.noise_floor import NoiseFloor
    from sdpa_exp.compare.verdict import Verdict

NOT_TRAINED = "Accuracy: not measured, since nothing was trained."


def answer_sentence(recommendation: Recommendation, accuracy: str, *, where: str = "") -> str:
    """The recommendation and what is known of accuracy; `where` is empty or such as `imgsz=160`."""
    text = f"{recommendation.sentence} {accuracy}".rstrip()
    return f"At {where}: {text[0].lower()}{text[1:]}" if where else text


def accuracy_sentence(verdicts: Sequence[Verdict], floors: Sequence[NoiseFloor], chosen: str) -> str:
    """Such as `Accuracy: inconclusive with 2 seeds (+4.9 points; a copy of stock 1 ulp apart differs by up to 2.6)`.

    It is about the chosen arm, and about all arms where the baseline stays.
    """
    own = [verdict for verdict in verdicts if verdict.arm == chosen] or list(verdicts)
    if not own:
        return "Accuracy: no verdict."
    floor = next((floor for floor in floors if floor.metric == own[0].question.metric), None)
    parts = [_said(verdict, floor, name=len(own) > 1) for verdict in own]
    return f"Accuracy: {'; '.join(parts)}."


def _said(verdict: Verdict, floor: NoiseFloor | None, *, name: bool) -> str:
    test, metric, arm = verdict.test, verdict.question.metric, verdict.arm
    whose = f"{arm} " if name else ""
    if test is None:
        return f"{whose}no verdict"
    seeds = f"{test.n} seed{'' if test.n == 1 else 's'}"
    amount = numbers.difference(metric, test.mean, spread=test.standard_error)
    extra = ""
    if floor is not None:
        extra = (
            f"; a copy of {floor.baseline} 1 ulp apart differs by up to {floor.largest_text().removesuffix(' points')}"
        )
    if verdict.kind == "inconclusive":
        return f"{whose}inconclusive with {seeds} ({amount}{extra})"
    if verdict.kind in ("different", "different but within the margin"):
        bounds = test.interval(verdict.level or test.level)
        inside = "" if bounds is None else f", {numbers.interval(metric, *bounds)}"
        within = f", within the margin of {verdict.question.margin_text()}" if "within" in verdict.kind else ""
        return f"{whose}{'higher' if test.mean > 0 else 'lower'} with {seeds} ({amount}{inside}{extra}){within}"
    words = {
        "equivalent": f"{whose}equivalent within {verdict.question.margin_text()} ({seeds}, {amount})",
        "no test": f"{whose}one seed, so no test ({amount}{extra})",
        "within the noise floor": f"{whose}within what a copy of {verdict.baseline} 1 ulp apart differs by ({amount})",
        "same attention": f"{whose}the same attention ran in both, so that a difference is chance ({amount})",
        "deterministic": f"{whose}identical with {seeds}" if test.mean == 0 else f"{whose}{amount} in all of {seeds}",
        "not comparable": f"{whose}not comparable, since the runs trained for different numbers of epochs",
    }
    return words.get(verdict.kind, f"{whose}no verdict")


def still_to_tell(recommendation: Recommendation, baseline: str) -> str:
    """What a training would add to an answer without one."""
    if recommendation.is_baseline:
        return "Training would tell nothing that changes this: the attention stays as it is."
    return (
        f"What training would still tell: whether {recommendation.arm} and {baseline} end at the same mAP. Both "
        "compute the same function, so nothing but rounding can set them apart; how much that moves mAP here, "
        "compare.control=aa measures."
    )


def refused_sentence(refused: Sequence[tuple[str, str]]) -> str:
    """`flex: it compiles ...`, one reason once."""
    reasons: dict[str, list[str]] = {}
    for arm, reason in refused:
        reasons.setdefault(reason, []).append(arm)
    return "; ".join(f"{listed(arms, 9)}: {reason}" for reason, arms in reasons.items())
