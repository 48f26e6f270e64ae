"""The one place that defines each metric: name, unit, which way is better, and how it is measured.

Run folder, MLflow, tables and docs use these names. A metric that was not measured is None with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A measured metric of a run. `better` is None where neither way is."""

    name: str
    unit: str
    better: Literal["higher", "lower"] | None
    meaning: str


_ALL = (
    Metric(name="mAP50", unit="", better="higher", meaning="AP at IoU 0.5, best.pt re-evaluated on the val split"),
    Metric(name="mAP50-95", unit="", better="higher", meaning="AP over IoU 0.5:0.95, best.pt on the val split"),
    *(
        Metric(
            name=f"{prefix}_{name}",
            unit="",
            better="higher",
            meaning=f"{name} of {what}, best.pt on the val split: IoU of masks, OKS of poses in the place of boxes'",
        )
        for prefix, what in (("mask", "masks"), ("pose", "poses"))
        for name in ("mAP50", "mAP50-95", "precision", "recall")
    ),
    Metric(
        name="top1", unit="", better="higher", meaning="share of val images whose likeliest class is right, best.pt"
    ),
    Metric(
        name="top5", unit="", better="higher", meaning="share of val images with the right class among the 5 likeliest"
    ),
    Metric(name="precision", unit="", better="higher", meaning="at the confidence of best mean F1, best.pt"),
    Metric(name="recall", unit="", better="higher", meaning="at the confidence of best mean F1, best.pt"),
    Metric(name="F1", unit="", better="higher", meaning="mean over classes at the confidence of best mean F1, best.pt"),
    Metric(
        name="F1_confidence", unit="", better=None, meaning="the confidence of best mean F1, as Ultralytics finds it"
    ),
    Metric(name="num_tp", unit="", better="higher", meaning="right predictions of at least F1_confidence, IoU 0.5"),
    Metric(name="num_fp", unit="", better="lower", meaning="wrong predictions of at least F1_confidence, IoU 0.5"),
    Metric(name="num_fn", unit="", better="lower", meaning="labelled objects that none of those finds, IoU 0.5"),
    *(
        Metric(
            name=f"mAP50-95_{size}",
            unit="",
            better="higher",
            meaning=f"COCO's AP over labelled boxes of {area} px in the original image, best.pt on the val split",
        )
        for size, area in (("small", "up to 32²"), ("medium", "32² to 96²"), ("large", "at least 96²"))
    ),
    Metric(
        name="epochs_to_90_percent",
        unit="epochs",
        better="lower",
        meaning="first epoch at 90 % of the last epoch's mAP50-95",
    ),
    Metric(
        name="plateau_epoch",
        unit="epoch",
        better="lower",
        meaning="first epoch from which on mAP50-95 stays within 2 % of the last epoch's",
    ),
    Metric(name="last_tenth_sd", unit="", better="lower", meaning="SD of mAP50-95 over the last tenth of the epochs"),
    Metric(name="last/mAP50", unit="", better="higher", meaning="mAP50 of the last epoch's EMA weights"),
    Metric(name="last/mAP50-95", unit="", better="higher", meaning="mAP50-95 of the last epoch's EMA weights"),
    Metric(name="best_epoch", unit="epoch", better=None, meaning="epoch (from 1) that best.pt was saved at"),
    Metric(
        name="train_s",
        unit="s",
        better="lower",
        meaning="wall time of the training loops of all epochs but the first (warm-up), validation excluded",
    ),
    Metric(
        name="images_per_s", unit="images/s", better="higher", meaning="training images of those epochs over train_s"
    ),
    Metric(
        name="peak_memory_mib",
        unit="MiB",
        better="lower",
        meaning="train phase: torch's peak allocated device memory on CUDA, peak resident set of the worker on a CPU",
    ),
    Metric(name="total_s", unit="s", better="lower", meaning="worker process from start to result"),
    Metric(
        name="energy_j",
        unit="J",
        better="lower",
        meaning="the whole GPU during train_s, from its energy counter, else integrated from polled power (result.json "
        "names the source)",
    ),
    Metric(
        name="net_energy_j",
        unit="J",
        better="lower",
        meaning="energy_j less the GPU's idle power, measured before the run touched it, over train_s",
    ),
    Metric(name="energy_per_epoch_j", unit="J", better="lower", meaning="energy_j over the epochs of train_s"),
    Metric(name="energy_per_image_j", unit="J", better="lower", meaning="energy_j over the training images of train_s"),
    Metric(name="mean_gpu_power_w", unit="W", better=None, meaning="energy_j over train_s"),
    Metric(
        name="cpu_energy_j",
        unit="J",
        better="lower",
        meaning="the machine's CPU packages during train_s, from RAPL's counters, all processes",
    ),
    Metric(
        name="cost",
        unit="",
        better="lower",
        meaning="in hardware.currency: total_s at hardware.price_per_gpu_hour, plus the energy of GPU and CPU packages "
        "in that time at hardware.price_per_kwh; a price that is not set adds nothing",
    ),
)

_OF_OTHER_TASKS = (
    Metric(
        name="error_ratio",
        unit="",
        better="lower",
        meaning="verify: the largest error of any layer to a checked fp64 truth, over what the precision explains",
    ),
    Metric(
        name="max_abs_diff",
        unit="",
        better="lower",
        meaning="verify: the largest difference of a layer's output from stock's, all precisions",
    ),
    Metric(
        name="latency_p50_ms",
        unit="ms",
        better="lower",
        meaning="latency, detect, export: median of pre + model + post of a batch (the first of latency.batches)",
    ),
    Metric(name="latency_p95_ms", unit="ms", better="lower", meaning="latency: its 95th percentile, from 20 batches"),
    Metric(name="latency_p99_ms", unit="ms", better="lower", meaning="latency: its 99th, from 100 batches on"),
    Metric(
        name="model_p50_ms",
        unit="ms",
        better="lower",
        meaning="latency, detect, export: median of the model alone",
    ),
    Metric(
        name="num_boxes",
        unit="",
        better=None,
        meaning="detect: boxes in all frames, of at least detect.conf; data: labelled boxes",
    ),
    Metric(
        name="fps",
        unit="images/s",
        better="higher",
        meaning="latency, detect, export: images over the sum of pre, model and post; decoding is not in it",
    ),
    Metric(
        name="speedup",
        unit="",
        better="higher",
        meaning="latency: the baseline's latency over the arm's, export: the source's over the file's; median over "
        "batches timed side by side",
    ),
    Metric(
        name="step_s",
        unit="s",
        better="lower",
        meaning="profile: median wall time of a training step without a profiler, waiting for data included",
    ),
    Metric(
        name="product_share",
        unit="",
        better=None,
        meaning="profile: the attention product's share of a profiled step's wall time, forward and backward; "
        "operation times on a CPU, kernel times on CUDA",
    ),
    Metric(
        name="amdahl_bound",
        unit="x",
        better=None,
        meaning="profile: 1 / (1 - product_share): no attention can make this arm's step faster than by this factor",
    ),
    Metric(
        name="identity_speedup",
        unit="x",
        better=None,
        meaning="profile: step time over step time with the product left out (out = v), geometric mean of timed pairs",
    ),
    Metric(
        name="data_wait_share", unit="", better="lower", meaning="profile: share of step_s spent waiting for a batch"
    ),
    Metric(name="profiler_slowdown", unit="x", better=None, meaning="profile: time of a profiled step over step_s"),
    Metric(
        name="peak_tensors_mib",
        unit="MiB",
        better="lower",
        meaning="profile: largest sum of all tensors on the device at any moment of a training step",
    ),
    Metric(
        name="saved_activations_mib",
        unit="MiB",
        better="lower",
        meaning="profile: storages that autograd holds for the backward pass at the end of the forward",
    ),
    Metric(
        name="saved_in_attention_mib",
        unit="MiB",
        better="lower",
        meaning="profile: those of them that were saved inside attention modules",
    ),
    Metric(name="num_images", unit="", better=None, meaning="data: images that can be trained on or judged by"),
    Metric(name="num_errors", unit="", better="lower", meaning="data: kinds of bad files, bad lines and leaks"),
    Metric(name="num_warnings", unit="", better="lower", meaning="data: kinds of oddities that may do harm"),
    Metric(name="num_infos", unit="", better=None, meaning="data: what is worth knowing, and harmless"),
    Metric(name="num_problems", unit="", better="lower", meaning="doctor: findings that have a next step"),
    Metric(
        name="num_backends_here", unit="", better="higher", meaning="doctor: backends that run in the chosen precision"
    ),
    Metric(
        name="step_speedup",
        unit="x",
        better="higher",
        meaning="bench: the baseline's time over that of the fastest backend, paired by round, largest training step",
    ),
    Metric(
        name="inference_speedup", unit="x", better="higher", meaning="bench: the same, largest inference of the model"
    ),
    Metric(name="module_speedup", unit="x", better="higher", meaning="bench: the same, last attention module timed"),
    Metric(
        name="op_speedup", unit="x", better="higher", meaning="bench: the same, costliest shape of the product alone"
    ),
    Metric(name="num_arms", unit="", better=None, meaning="answer: arms that were timed; step_speedup is the chosen's"),
    Metric(
        name="attention_share",
        unit="",
        better=None,
        meaning="bench: share of the largest training step that identity, which computes no attention, does without",
    ),
    Metric(name="num_cases", unit="", better=None, meaning="bench: cases that were measured"),
    Metric(
        name="num_dropped_cases",
        unit="",
        better="lower",
        meaning="bench: cases that could not be measured",
    ),
    Metric(
        name="num_working",
        unit="",
        better="higher",
        meaning="setup_trial: implementations that ran, attested, in the end",
    ),
)

ULTRALYTICS_NAMES = {
    "metrics/precision(B)": "precision",
    "metrics/recall(B)": "recall",
    "metrics/mAP50(B)": "mAP50",
    "metrics/mAP50-95(B)": "mAP50-95",
    **{
        f"metrics/{name}({letter})": f"{prefix}_{name}"
        for letter, prefix in (("M", "mask"), ("P", "pose"))
        for name in ("precision", "recall", "mAP50", "mAP50-95")
    },
    "metrics/accuracy_top1": "top1",
    "metrics/accuracy_top5": "top5",
}
"""Ultralytics' names of metrics, in results.csv and in its callbacks, and ours; losses and rates keep theirs."""

RESULTS_CSV_NAMES = {
    **ULTRALYTICS_NAMES,
    "metrics/precision": "precision",
    "metrics/recall": "recall",
    "metrics/mAP_0.5": "mAP50",
    "metrics/mAP_0.5:0.95": "mAP50-95",
    "metrics/mAP_0.5(B)": "mAP50",
    "metrics/mAP_0.5:0.95(B)": "mAP50-95",
}
"""The same for files: YOLOv5's names too."""

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
TASK_METRICS: dict[str, Metric] = {metric.name: metric for metric in _OF_OTHER_TASKS}
"""What tasks other than train measure.

`setup_trial` adds `<implementation>/setup_s` for each implementation; `latency` adds `<variant>/fps` for every further
precision, memory format and batch size.
"""


def our_names(values: Mapping[str, float]) -> dict[str, float]:
    """Values with Ultralytics' metric names in the field's words."""
    return {ULTRALYTICS_NAMES.get(name, name): float(value) for name, value in values.items()}
