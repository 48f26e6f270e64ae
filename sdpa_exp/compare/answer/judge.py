"""Speed and memory of each arm against the baseline, with the process as the unit of inference.

Processes differ by more than their rounds do (where memory lands, what the machine does meanwhile), so that rounds are
summed up by their median, and the t interval is over the processes' log ratios. Of several arms one will be chosen for
being the fastest: intervals and tests are Bonferroni's over all arms, so that they hold for whichever is chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sdpa_exp.compare.answer.measurement import Measurement
from sdpa_exp.compare.numbers import p_value, percent, plain
from sdpa_exp.compare.statistics.paired import PairedTest, paired_test
from sdpa_exp.compare.statistics.trim import FloatArray
from sdpa_exp.compare.verdict import decide

SpeedKind = Literal[
    "faster", "slower", "faster within the margin", "slower within the margin", "equivalent", "inconclusive"
]  # fmt: skip
_LEVEL_WORDS = {"step": "per training step", "inference": "in inference"}
DEFAULT_MARGIN = 0.02


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How many times as fast as the baseline an arm is: above 1 is faster.

    Attributes:
        low, high: t interval over processes at `level`, 1 - alpha over the number of arms.
        p, p_equivalence: times the number of arms.
        margin: gains up to here don't matter, as a share.
    """

    what: str
    arm: str
    baseline: str
    kind: SpeedKind
    ratio: float
    low: float
    high: float
    level: float
    p: float
    p_equivalence: float
    margin: float
    num_processes: int

    @property
    def is_faster(self) -> bool:
        """Whether it is shown to be faster, by however little."""
        return self.kind.startswith("faster")

    @property
    def is_slower(self) -> bool:
        """Whether it is shown to be slower, by however little."""
        return self.kind.startswith("slower")

    def words(self) -> str:
        """`1.07 times as fast per step (1.02 to 1.11)`."""
        what = "per step" if self.what == "step" else "in inference"
        return f"{self.ratio:.2f} times as fast {what} ({self.low:.2f} to {self.high:.2f})"

    def sentence(self) -> str:
        """The verdict with all that it rests on."""
        n, margin = self.num_processes, f"{100 * self.margin:g} %"
        claim = {
            "faster": f"{self.arm} is faster than {self.baseline}",
            "slower": f"{self.arm} is slower than {self.baseline}",
            "faster within the margin": f"{self.arm} is faster than {self.baseline}, but within the margin of {margin}",
            "slower within the margin": f"{self.arm} is slower than {self.baseline}, but within the margin of {margin}",
            "equivalent": f"{self.arm} and {self.baseline} are equally fast within {margin}",
            "inconclusive": f"inconclusive for {self.arm} against {self.baseline}",
        }[self.kind]
        return (
            f"speed {_LEVEL_WORDS[self.what]}: {claim}: {self.ratio:.3f} times as fast ({100 * self.level:.3g} % "
            f"interval {self.low:.3f} to {self.high:.3f} over {n} processes), {p_value(self.p)}."
        )


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Allocated peak of a training step, above what was held before it: the arm less the baseline, in MiB.

    Attributes:
        differences_mib: of each process.
        baseline_mib: mean of the baseline.
    """

    arm: str
    baseline: str
    differences_mib: tuple[float, ...]
    baseline_mib: float
    margin: float

    @property
    def mean_mib(self) -> float:
        """Mean difference."""
        return float(np.mean(self.differences_mib))

    @property
    def kind(self) -> Literal["equivalent", "smaller", "larger", "inconclusive"]:
        """What all processes agree on; one inside the margin is equivalent, and its sentence has the difference."""
        inside = [abs(each) <= self.margin * self.baseline_mib for each in self.differences_mib]
        if all(inside):
            return "equivalent"
        signs = {math.copysign(1, each) for each in self.differences_mib}
        if any(inside) or len(signs) > 1:
            return "inconclusive"
        return "smaller" if self.mean_mib < 0 else "larger"

    @property
    def amount(self) -> str:
        """`12 MiB (9 %)`."""
        share = percent(abs(self.mean_mib) / self.baseline_mib, sign=False) if self.baseline_mib else ""
        return f"{plain(abs(self.mean_mib))} MiB" + (f" ({share})" if share else "")

    def words(self) -> str:
        """`same memory`, `12 MiB (9 %) less memory`."""
        way = {"smaller": "less", "larger": "more"}
        if self.kind in way:
            return f"{self.amount} {way[self.kind]} memory"
        return "same memory" if self.kind == "equivalent" else "memory that varies from process to process"

    def sentence(self) -> str:
        """The verdict with what was seen in each process."""
        n, low, high = len(self.differences_mib), min(self.differences_mib), max(self.differences_mib)
        start = f"memory of a training step: {self.arm}"
        of = f"of {plain(self.baseline_mib)} MiB above what is held between steps"
        if low == high == 0:
            return f"{start} is identical to {self.baseline} in all {n} processes ({plain(self.baseline_mib)} MiB)."
        if high - low < 0.005:
            way = "smaller" if self.mean_mib < 0 else "larger"
            return f"{start} is {self.amount} {way} than {self.baseline} in all {n} processes, no variation ({of})."
        return f"{start} less {self.baseline}: {low:+.1f} to {high:+.1f} MiB in {n} processes ({of})."


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Everything that is said about one measurement, by arm."""

    measurement: Measurement
    alpha: float
    step: dict[str, Speed]
    inference: dict[str, Speed]
    memory: dict[str, Memory]


def judge_measurement(
    measurement: Measurement,
    *,
    alpha: float,
    speed_margin: float = DEFAULT_MARGIN,
    memory_margin: float = DEFAULT_MARGIN,
) -> Judged:
    """Verdicts on all arms but the baseline; margins are shares."""
    return Judged(
        measurement=measurement,
        alpha=alpha,
        step=_speeds(measurement, "step", alpha, speed_margin),
        inference=_speeds(measurement, "inference", alpha, speed_margin),
        memory=_memories(measurement, memory_margin),
    )


def compare_directly(measurement: Measurement, arm: str, other: str, *, level: float) -> tuple[float, float]:
    """The interval of (seconds of other / seconds of arm) per step: above 1, the arm is faster."""
    ratios = measurement.log_ratios["step"]
    low, high = _test(ratios[arm] - ratios[other], 0.0, 1 - level).interval(level) or (0.0, 0.0)
    return math.exp(low), math.exp(high)


def _speeds(measurement: Measurement, what: str, alpha: float, margin: float) -> dict[str, Speed]:
    arms = measurement.others
    level = 1 - alpha / max(1, len(arms))
    found = {}
    for arm in arms:
        test = _test(measurement.log_ratios[what][arm], math.log1p(margin), alpha)
        low, high = test.interval(level) or (test.mean, test.mean)
        p, p_equivalence = (_adjusted(value, len(arms)) for value in (test.p, test.p_equivalence))
        found[arm] = Speed(
            what=what,
            arm=arm,
            baseline=measurement.baseline,
            kind=_kind(test.mean, decide(p, p_equivalence, alpha)),
            ratio=math.exp(test.mean),
            low=math.exp(low),
            high=math.exp(high),
            level=level,
            p=p,
            p_equivalence=p_equivalence,
            margin=margin,
            num_processes=test.n,
        )
    return found


def _test(log_ratios_N: FloatArray, margin: float, alpha: float) -> PairedTest:
    return paired_test(log_ratios_N, np.zeros_like(log_ratios_N), margin=margin, alpha=alpha)


def _adjusted(p: float | None, number: int) -> float:
    """Clocks never agree to the last bit, but made values may: without spread nothing is shown."""
    return 1.0 if p is None else min(1.0, p * number)


def _kind(mean: float, outcome: str) -> SpeedKind:
    kinds: dict[str, SpeedKind] = {
        "different": "faster" if mean > 0 else "slower",
        "different but within the margin": "faster within the margin" if mean > 0 else "slower within the margin",
        "equivalent": "equivalent",
    }
    return kinds.get(outcome, "inconclusive")


def _memories(measurement: Measurement, margin: float) -> dict[str, Memory]:
    peaks: Any = measurement.peak_mib
    base = peaks.get(measurement.baseline)
    if base is None:
        return {}
    return {
        arm: Memory(
            arm=arm,
            baseline=measurement.baseline,
            differences_mib=tuple(float(each) for each in peaks[arm] - base),
            baseline_mib=float(base.mean()),
            margin=margin,
        )
        for arm in measurement.others
        if arm in peaks
    }
