"""answer.json: all arms of one setting, timed in turns inside each of several fresh processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sdpa_exp.compare.statistics.trim import FloatArray
from sdpa_exp.runs.files import ANSWER_FILE, read_json

SCHEMA_VERSION = 1
LEVELS = ("step", "inference")


@dataclass(frozen=True, kw_only=True)
class Function:
    """Whether an arm computes what stock computes: outputs and gradients of all layers against a checked fp64 truth.

    Attributes:
        worst_ratio: the largest error in units of what the precision explains; up to `max_ratio` is rounding.
        reason: why it could not be compared; None where it was.
    """

    ok: bool
    worst_ratio: float | None = None
    max_ratio: float | None = None
    num_layers: int = 0
    precision: str | None = None
    reason: str | None = None

    def words(self) -> str:
        """`same function to rounding`."""
        if self.reason is not None:
            return f"its function could not be checked ({self.reason})"
        return "same function to rounding" if self.ok else "not the function that stock computes"

    def sentence(self, arm: str) -> str:
        """The check of an arm, with what it rests on."""
        if self.worst_ratio is None:
            return f"function: {arm} could not be compared with stock: {self.reason}."
        claim = "computes what stock computes, up to rounding" if self.ok else "does NOT compute what stock computes"
        return (
            f"function: {arm} {claim}: outputs and gradients of {self.num_layers} layers are off from a checked "
            f"fp64 truth by at most {self.worst_ratio:.2g} times what {self.precision} explains "
            f"(allowed: {self.max_ratio:g})."
        )


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What the processes found; the values of one arm and process belong together by their place.

    Attributes:
        log_ratios: level -> arm -> log(baseline's seconds / the arm's) of each process, the median over its rounds.
        seconds: level -> arm -> median seconds of each process.
        peak_mib: arm -> allocated peak of a training step above what was held before it, of each process.
        functions: arm -> the check; stock is not among them.
        kernels: arm -> kernels of a training step, forward and backward.
        refused, same_as: arm -> why it did not run; arm -> the one whose kernels it runs.
        where: model, imgsz, batch, inference_batch, precision, device, dataset, num_threads.
    """

    where: Mapping[str, Any]
    baseline: str
    arms: tuple[str, ...]
    log_ratios: Mapping[str, Mapping[str, FloatArray]]
    seconds: Mapping[str, Mapping[str, FloatArray]]
    peak_mib: Mapping[str, FloatArray]
    functions: Mapping[str, Function]
    kernels: Mapping[str, str]
    refused: Mapping[str, str] = field(default_factory=dict)
    same_as: Mapping[str, str] = field(default_factory=dict)
    memory_reason: str | None = None
    stock_faults: tuple[str, ...] = ()
    num_drifted: int = 0
    num_rounds: int = 0
    group_id: str | None = None

    @property
    def num_processes(self) -> int:
        """That measured."""
        return len(self.seconds["step"][self.baseline])

    @property
    def others(self) -> tuple[str, ...]:
        """All arms but the baseline."""
        return tuple(arm for arm in self.arms if arm != self.baseline)


def read_measurement(folder: Path) -> Measurement | None:
    """The measurement in a folder; None where there is none that this version reads."""
    content = read_json(folder / ANSWER_FILE)
    if content is None or content.get("schema_version") != SCHEMA_VERSION or not content.get("processes"):
        return None
    return measurement_of(content)


def measurement_of(content: Mapping[str, Any]) -> Measurement:
    """From the content of answer.json. An arm counts where every process measured it."""
    processes, baseline = content["processes"], content["baseline"]
    arms = [
        arm for arm in content["arms"] if all(arm in run[level]["seconds"] for run in processes for level in LEVELS)
    ]
    seconds = {
        level: {arm: [np.array(run[level]["seconds"][arm], dtype=np.float64) for run in processes] for arm in arms}
        for level in LEVELS
    }
    peaks = {arm: [run["memory"].get(arm, {}).get("allocated_mib") for run in processes] for arm in arms}
    reasons = [run["memory"].get(arm, {}).get("reason") for run in processes for arm in arms if None in peaks[arm]]
    kernels: dict[str, Any] = next((run["kernels"]["step"] for run in processes if run["kernels"]), {})
    late = {arm: reason for run in processes for level in LEVELS for arm, reason in run[level]["left_out"].items()}
    return Measurement(
        where=content["where"],
        baseline=baseline,
        arms=tuple(arms),
        log_ratios={
            level: {
                arm: np.array([np.median(np.log(a / b)) for a, b in zip(seconds[level][baseline], found, strict=True)])
                for arm, found in seconds[level].items()
            }
            for level in LEVELS
        },
        seconds={
            level: {arm: np.array([np.median(values) for values in found]) for arm, found in seconds[level].items()}
            for level in LEVELS
        },
        peak_mib={arm: np.array(found, dtype=np.float64) for arm, found in peaks.items() if None not in found},
        functions={arm: _function(found) for arm, found in content["same_function"]["arms"].items()},
        kernels={arm: _kernels(found) for arm, found in kernels.items()},
        refused={**content["refused"], **late},
        same_as=content["same_as"],
        memory_reason=next((reason for reason in reasons if reason), None),
        stock_faults=tuple(content["same_function"]["stock_faults"]),
        num_drifted=sum(any(run[level]["is_drifted"] for level in LEVELS) for run in processes),
        num_rounds=min(run["step"]["rounds"] for run in processes),
        group_id=content.get("group_id"),
    )


def _function(found: Mapping[str, Any]) -> Function:
    names = ("ok", "worst_ratio", "max_ratio", "num_layers", "precision", "reason")
    return Function(**{name: found[name] for name in names if name in found})


def _kernels(found: Mapping[str, list[str]]) -> str:
    return ", ".join(dict.fromkeys([*found["forward"], *found["backward"]]))
