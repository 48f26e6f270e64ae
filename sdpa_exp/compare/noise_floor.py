"""The noise floor: how far a second copy of the baseline arm lies from the first, and what that does to verdicts.

The floor of a metric is the root mean square of the paired differences copy minus baseline: their spread about 0, which
is what identical arms should differ by, and one pair is enough to have it. Verdicts don't rest on it: where every
pair has its copy, an arm is tested against the mean of baseline and copy (statistics/control.py says why).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdpa_exp.compare import numbers
from sdpa_exp.compare.load.groups import GroupRuns, pair_metric, usable
from sdpa_exp.compare.load.run import RATIOS
from sdpa_exp.compare.statistics.aa_control import mean_of_copies
from sdpa_exp.compare.statistics.holm import holm
from sdpa_exp.compare.statistics.paired import PairedTest, paired_test
from sdpa_exp.compare.verdict import Question, Verdict
from sdpa_exp.compare.wording import figures, p_text

_STAGES = ("train_forward", "train_backward")


@dataclass(frozen=True, kw_only=True)
class NoiseFloor:
    """One primary metric of the A/A copy `arm` against `baseline`, the arm that it repeats.

    Attributes:
        floor: root mean square of the `n` paired differences; `largest` is the largest of them without its sign.
        mean, sd: of the differences; sd is None for one pair.
        p: paired t-test of the copy, adjusted after Holm over the metrics; None without spread.
    """

    question: str
    metric: str
    arm: str
    baseline: str
    n: int
    floor: float
    largest: float
    mean: float
    sd: float | None
    baseline_mean: float
    p: float | None

    def text(self) -> str:
        """`0.8 % (0.3 s)`, `1.2 points`."""
        return self._shown(self.floor)

    def largest_text(self) -> str:
        """The same of the largest difference."""
        return self._shown(self.largest)

    def mean_text(self) -> str:
        """`-0.2 s`."""
        return numbers.difference(self.metric, self.mean, spread=self.floor)

    def short_text(self) -> str:
        """`0.8 %`, `1.2 points`."""
        return self.text().partition(" (")[0]

    def _shown(self, value: float) -> str:
        amount = numbers.difference(self.metric, value, spread=value).lstrip("+")
        if numbers.is_in_points(self.metric) or not self.baseline_mean:
            return amount
        return f"{numbers.percent(value / abs(self.baseline_mean), sign=False)} ({amount})"


def control_of(group: GroupRuns, baseline: str) -> str | None:
    """The copy of the baseline, where there is one that ran the same attention."""
    copy = next((arm for arm, original in group.copies.items() if original == baseline), None)
    if copy is None or baseline not in group.arms or not is_same_attention(group, copy, baseline):
        return None
    return copy


def controlled_test(
    group: GroupRuns, arm: str, copies: tuple[str, str], question: Question, alpha: float
) -> PairedTest | None:
    """The arm against the mean of the baseline and its copy; None unless every pair has its copy, and there are two."""
    runs = usable(group, arm)
    once, again = (pair_metric(runs, usable(group, name), question.metric) for name in copies)
    if len(once.seeds) < 2 or once.seeds != again.seeds:
        return None
    ratio = question.metric in RATIOS
    reference = mean_of_copies(once.baseline, again.baseline, ratio=ratio)
    margin = question.margin_for(float(reference.mean()))
    return paired_test(once.arm, reference, margin=margin, alpha=alpha, ratio=ratio)


def noise_floors(
    group: GroupRuns, baseline: str, questions: Sequence[Question], alpha: float
) -> tuple[NoiseFloor, ...]:
    """The floor of every primary metric that the copy of the baseline measured; empty where there is no copy."""
    copy = control_of(group, baseline)
    if copy is None:
        return ()
    floors = []
    for question in questions:
        paired = pair_metric(usable(group, copy), usable(group, baseline), question.metric)
        if not paired.seeds:
            continue
        difference_N = paired.arm - paired.baseline
        test = paired_test(paired.arm, paired.baseline, alpha=alpha, ratio=question.metric in RATIOS)
        floors.append(
            NoiseFloor(
                question=question.name,
                metric=question.metric,
                arm=copy,
                baseline=baseline,
                n=test.n,
                floor=float(np.sqrt(np.mean(difference_N**2))),
                largest=float(np.abs(difference_N).max()),
                mean=test.mean,
                sd=test.sd,
                baseline_mean=test.baseline_mean,
                p=test.p,
            )
        )
    tested = [floor for floor in floors if floor.p is not None]
    adjusted = dict(zip(map(id, tested), holm([floor.p for floor in tested if floor.p is not None]), strict=True))
    return tuple(dataclasses.replace(floor, p=adjusted.get(id(floor))) for floor in floors)


def is_same_attention(group: GroupRuns, copy: str, original: str) -> bool:
    """Whether the kernels in training were the same, as far as they were attested."""
    ran, expected = training_kernels(group, copy), training_kernels(group, original)
    return not ran or not expected or ran == expected


def training_kernels(group: GroupRuns, arm: str) -> list[str]:
    """`flash (8) in train forward`, of the first attested run."""
    run = next((run for run in group.of(arm) if run.attestation), None)
    executed = ((run.attestation if run else None) or {}).get("executed") or {}
    return [
        f"{kernel} ({count}) in {stage.replace('_', ' ')}"
        for stage in _STAGES
        for kernel, count in sorted((executed.get(stage) or {}).items())
    ]


def with_control(plain: Verdict, held: Verdict | None, floors: Sequence[NoiseFloor]) -> Verdict:
    """The verdict of the test that has the copy in it, with the noise floor beside it.

    Args:
        plain: of the arm against the baseline alone.
        held: of the arm against the mean of the baseline and its copy; None where that could not be tested.
        floors: of the comparison group.
    """
    floor = next((floor for floor in floors if floor.question == plain.question.name), None)
    if floor is None or plain.test is None:
        return plain
    is_claimed = "different" in plain.kind or (plain.kind == "deterministic" and plain.test.mean != 0)
    if held is None or held.test is None or (plain.kind == "deterministic" and not is_claimed):
        known = f"A/A noise floor: {floor.text()}." if floor.floor else _still(floor)
        return dataclasses.replace(plain, sentence=f"{plain.sentence} {known}", noise_floor=floor.floor)
    if is_claimed and "different" not in held.kind:
        same = f", and equivalent within {plain.question.margin_text()}" if held.kind == "equivalent" else ""
        sentence = (
            f"{plain.question.name}: {plain.arm} is within the A/A noise floor of {plain.baseline}: {figures(plain)}, "
            f"and {floor.arm}, which is {floor.baseline} again, is off by {floor.text()} (root mean square of "
            f"{_pairs(floor.n)}, largest {floor.largest_text()}); against the mean of the two, {p_text(held)}{same}."
        )
        return dataclasses.replace(plain, kind="within the noise floor", sentence=sentence, noise_floor=floor.floor)
    known = f"A/A noise floor {floor.text()}." if floor.floor else _still(floor)
    sentence = f"{held.sentence} Tested against the mean of {floor.baseline} and its copy {floor.arm}; {known}"
    return dataclasses.replace(held, sentence=sentence, noise_floor=floor.floor)


def _still(floor: NoiseFloor) -> str:
    return f"The A/A copy {floor.arm} did not differ in {floor.metric} at all."


def floors_sentence(floors: Sequence[NoiseFloor]) -> str:
    """All floors of a comparison group in one sentence."""
    shown = ", ".join(f"{floor.metric} {floor.short_text()}" for floor in floors)
    return f"A/A noise floor ({floors[0].arm} against {floors[0].baseline}, {_pairs(floors[0].n)}): {shown}."


def _pairs(n: int) -> str:
    return f"{n} pair" + ("s" if n != 1 else "")
