"""The noise floor: how far a second copy of the baseline arm lies from the first, and what that does to verdicts.

The floor of a metric is the root mean square of the paired differences copy minus baseline: their spread about 0, which
is what identical arms should differ by. It does not shrink with more pairs, and one pair is enough to have it. An arm
whose mean difference is not larger is not called different, whatever its test says.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sdpa_exp.compare import numbers
from sdpa_exp.compare.load.groups import GroupRuns, pair_metric, usable
from sdpa_exp.compare.statistics.paired import paired_test
from sdpa_exp.compare.statistics.power import holm
from sdpa_exp.compare.verdict import Verdict, figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdpa_exp.compare.verdict import Question

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


def noise_floors(
    group: GroupRuns, baseline: str, questions: Sequence[Question], alpha: float
) -> tuple[NoiseFloor, ...]:
    """The floor of every primary metric that the copy of the baseline measured; empty where there is no copy."""
    copy = next((arm for arm, original in group.copies.items() if original == baseline), None)
    if copy is None or baseline not in group.arms or not is_same_attention(group, copy, baseline):
        return ()
    floors = []
    for question in questions:
        paired = pair_metric(usable(group, copy), usable(group, baseline), question.metric)
        if not paired.seeds:
            continue
        difference_N = paired.arm - paired.baseline
        test = paired_test(paired.arm, paired.baseline, alpha=alpha)
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


def with_floor(verdict: Verdict, floors: Sequence[NoiseFloor]) -> Verdict:
    """The verdict with its noise floor; what lies within the floor is no difference."""
    floor = next((floor for floor in floors if floor.question == verdict.question.name), None)
    if floor is None or verdict.test is None:
        return verdict
    is_claimed = "different" in verdict.kind or (verdict.kind == "deterministic" and verdict.test.mean != 0)
    if is_claimed and abs(verdict.test.mean) <= floor.floor:
        sentence = (
            f"{verdict.question.name}: {verdict.arm} is within the A/A noise floor of {verdict.baseline}: "
            f"{figures(verdict)}, and {floor.arm}, which is {floor.baseline} again, is off by {floor.text()} "
            f"(root mean square of {_pairs(floor.n)}, largest {floor.largest_text()})."
        )
        return dataclasses.replace(verdict, kind="within the noise floor", sentence=sentence, noise_floor=floor.floor)
    if not floor.floor:
        shown = f" The A/A copy {floor.arm} did not differ in {floor.metric} at all."
    elif is_claimed:
        shown = f" Above the A/A noise floor of {floor.text()}."
    else:
        shown = f" A/A noise floor: {floor.text()}."
    return dataclasses.replace(verdict, sentence=verdict.sentence + shown, noise_floor=floor.floor)


def floors_sentence(floors: Sequence[NoiseFloor]) -> str:
    """All floors of a comparison group in one sentence."""
    shown = ", ".join(f"{floor.metric} {floor.short_text()}" for floor in floors)
    return f"A/A noise floor ({floors[0].arm} against {floors[0].baseline}, {_pairs(floors[0].n)}): {shown}."


def _pairs(n: int) -> str:
    return f"{n} pair" + ("s" if n != 1 else "")
