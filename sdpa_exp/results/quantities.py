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
    Quantity(
        name="F1", unit="", better="higher", meaning="mean over classes at the confidence of best mean F1, best.pt"
    ),
    Quantity(
        name="F1_confidence", unit="", better=None, meaning="the confidence of best mean F1, as Ultralytics finds it"
    ),
    Quantity(name="num_tp", unit="", better="higher", meaning="right predictions of at least F1_confidence, IoU 0.5"),
    Quantity(name="num_fp", unit="", better="lower", meaning="wrong predictions of at least F1_confidence, IoU 0.5"),
    Quantity(name="num_fn", unit="", better="lower", meaning="labelled boxes that none of those finds, IoU 0.5"),
    *(
        Quantity(
            name=f"mAP50-95_{size}",
            unit="",
            better="higher",
            meaning=f"COCO's AP over labelled boxes of {area} px in the original image, best.pt on the val split",
        )
        for size, area in (("small", "up to 32²"), ("medium", "32² to 96²"), ("large", "at least 96²"))
    ),
    Quantity(
        name="epochs_to_90_percent",
        unit="epochs",
        better="lower",
        meaning="first epoch at 90 % of the last epoch's mAP50-95",
    ),
    Quantity(
        name="plateau_epoch",
        unit="epoch",
        better="lower",
        meaning="first epoch from which on mAP50-95 stays within 2 % of the last epoch's",
    ),
    Quantity(name="last_tenth_sd", unit="", better="lower", meaning="SD of mAP50-95 over the last tenth of the epochs"),
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
        name="num_working",
        unit="",
        better="higher",
        meaning="setup_trial: implementations that ran, attested, in the end",
    ),
)

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _ALL}
TASK_QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _OF_OTHER_TASKS}
"""What tasks other than train measure; `setup_trial` adds `<implementation>/setup_s` for each implementation."""
