"""The one place that defines each quantity: name, unit, which way is better, and how it is measured.

Run folder, MLflow, tables and docs use these names. A quantity that was not measured is None with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A measured quantity of a run. `better` is None where neither way is."""

    name: str
    unit: str
    better: Literal["higher", "lower"] | None
    meaning: str


_ALL = (
    Quantity(name="mAP50", unit="", better="higher", meaning="AP at IoU 0.5, best.pt re-evaluated on the val split"),
    Quantity(name="mAP50-95", unit="", better="higher", meaning="AP over IoU 0.5:0.95, best.pt on the val split"),
    Quantity(name="precision", unit="", better="higher", meaning="at the confidence of best mean F1, best.pt"),
    Quantity(name="recall", unit="", better="higher", meaning="at the confidence of best mean F1, best.pt"),
    Quantity(name="last/mAP50", unit="", better="higher", meaning="mAP50 of the last epoch's EMA weights"),
    Quantity(name="last/mAP50-95", unit="", better="higher", meaning="mAP50-95 of the last epoch's EMA weights"),
    Quantity(name="best_epoch", unit="epoch", better=None, meaning="epoch (from 1) that best.pt was saved at"),
    Quantity(
        name="train_s",
        unit="s",
        better="lower",
        meaning="wall time of the training loops of all epochs but the first (warm-up), validation excluded",
    ),
    Quantity(
        name="images_per_s", unit="images/s", better="higher", meaning="training images of those epochs over train_s"
    ),
    Quantity(
        name="peak_memory_mib",
        unit="MiB",
        better="lower",
        meaning="train phase: torch's peak allocated device memory on CUDA, peak resident set of the worker on a CPU",
    ),
    Quantity(name="total_s", unit="s", better="lower", meaning="worker process from start to result"),
)

_OF_OTHER_TASKS = (
    Quantity(
        name="error_ratio",
        unit="",
        better="lower",
        meaning="verify: the largest error to fp64 truth of any site, over the plain computation's own error there",
    ),
    Quantity(
        name="max_abs_diff",
        unit="",
        better="lower",
        meaning="verify: the largest difference of a site's output from stock's, all precisions",
    ),
    Quantity(name="num_problems", unit="", better="lower", meaning="doctor: findings that have a next step"),
    Quantity(name="num_cores_here", unit="", better="higher", meaning="doctor: cores that run in the chosen precision"),
    Quantity(
        name="step_speedup",
        unit="x",
        better="higher",
        meaning="bench: the baseline's time over that of the fastest core, paired by round, largest training step",
    ),
    Quantity(
        name="inference_speedup", unit="x", better="higher", meaning="bench: the same, largest inference of the model"
    ),
    Quantity(name="module_speedup", unit="x", better="higher", meaning="bench: the same, last attention module timed"),
    Quantity(
        name="op_speedup", unit="x", better="higher", meaning="bench: the same, costliest shape of the product alone"
    ),
    Quantity(
        name="attention_share",
        unit="",
        better=None,
        meaning="bench: share of the largest training step that identity, which computes no attention, does without",
    ),
    Quantity(name="num_cells", unit="", better=None, meaning="bench: cells that were measured"),
    Quantity(name="num_dropped_cells", unit="", better="lower", meaning="bench: cells that could not be measured"),
    Quantity(
        name="num_working",
        unit="",
        better="higher",
        meaning="setup_trial: implementations that ran, attested, in the end",
    ),
)

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _ALL}
TASK_QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _OF_OTHER_TASKS}
"""What tasks other than train measure; `setup_trial` adds `<implementation>/setup_s` for each implementation."""
