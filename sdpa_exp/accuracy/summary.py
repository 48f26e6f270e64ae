"""The file `accuracy.json` of a run folder: how well best.pt detects on the val split, and how it got there.

Readers refuse a `schema_version` they don't know. What is null has its reason beside it or in `unmeasured`.

| key           | content |
|---            |---|
| schema_version | 1 |
| weights       | best.pt; null where it was not evaluated |
| measured      | boxes, masks, poses, rotated boxes, classes of whole images: what the AP, mAP and hits below are of;
|               | sizes are of boxes always |
| evaluation    | {min_confidence, max_det, nms_iou} of Ultralytics' final evaluation |
| num_images, num_boxes, num_predictions | of the val split |
| overall       | {mAP50, mAP50-95, F1, F1_confidence, num_tp, num_fp, num_fn}: Ultralytics' mAP; see count_by_class |
| classes       | [{name, num_images, num_boxes, AP50, AP50-95, AP50-95_interval, precision, recall, F1, num_tp, num_fp,
|               | num_fn}] of every class of the data set; null without labelled boxes |
| sizes         | all / small / medium / large -> {num_boxes, AP50, AP50-95, reason}: COCO's AP, see by_size.py |
| intervals     | {level, num_images, num_resamples, seed, mAP50, mAP50-95, reason,
|               | resampled: mAP50-95 of each resample}: over images, see bootstrap.py |
| learning      | mAP50-95 and mAP50, of masks or poses too, or top1 and top5 -> facts of the curve, see learning.py |
| unmeasured    | metric of the record -> why it is null |
| analysis_s    | what all this cost, in the phase final_eval |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdpa_exp.accuracy.bootstrap import LEVEL, SEED, Intervals, intervals
from sdpa_exp.accuracy.by_size import AREAS_PX2, SizeAp, ap_by_size
from sdpa_exp.accuracy.learning import Learning, learning_facts
from sdpa_exp.accuracy.predictions import Predictions
from sdpa_exp.runs.files import ACCURACY_FILE, read_json

SCHEMA_VERSION = 1
_NO_BOXES = "the val images have no labelled boxes"
_NO_PREDICTIONS = "the network predicts nothing"
_NOTHING_RIGHT = "no prediction is right at IoU 0.5, so no confidence is the best one"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """True positives, false positives and missed boxes at IoU 0.5."""

    num_tp: int
    num_fp: int
    num_fn: int


def count_by_class(predictions: Predictions, confidence: float) -> dict[int, Counts]:
    """Counts of every class that has labelled boxes or predictions of at least this confidence.

    The confidence is the one that Ultralytics uses for its precision and recall: where the smoothed mean F1 over
    classes is largest. Precision, recall and F1 are read from its curves, which interpolate between predictions; these
    are plain counts at IoU 0.5, so that they add up to the labelled boxes.
    """
    is_kept_P = predictions.pred_confidence >= confidence
    kept_classes = set(predictions.pred_class[is_kept_P].tolist())
    found = {}
    for label in sorted({*predictions.labelled_classes, *kept_classes}):
        is_hit = predictions.pred_is_hit[is_kept_P & (predictions.pred_class == label), 0]
        num_tp = int(is_hit.sum())
        num_boxes = int((predictions.label_class == label).sum())
        found[label] = Counts(num_tp=num_tp, num_fp=is_hit.size - num_tp, num_fn=num_boxes - num_tp)
    return found


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """Ultralytics' figures of one class; precision, recall and F1 at the best confidence."""

    label: int
    precision: float
    recall: float
    f1: float
    ap50: float
    ap50_95: float
    num_images: int
    num_boxes: int


@dataclass(frozen=True, kw_only=True)
class BestConfidence:
    """The confidence of best mean F1, and that F1."""

    confidence: float
    f1: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """`content` for accuracy.json; `metrics` and `unmeasured` for the record."""

    content: dict[str, Any]
    metrics: dict[str, float | None]
    unmeasured: dict[str, str]


def summarise(
    predictions: Predictions | None,
    *,
    figures: Sequence[ClassFigures],
    best: BestConfidence | None,
    epochs: Sequence[int],
    curves: Mapping[str, Sequence[float | None]],
    why_not: str = "",
) -> Summary:
    """Put everything together.

    Args:
        predictions: of best.pt; None where it was not evaluated, with `why_not`.
        figures: of the classes that have labelled boxes.
        best: None without such a class.
        epochs: numbers of the epochs, from 1.
        curves: metric -> one value an epoch.
        why_not: the reason for figures that an evaluation would have given.
    """
    learning = {name: learning_facts(epochs, values) for name, values in curves.items()}
    metrics: dict[str, float | None] = {}
    unmeasured: dict[str, str] = {}
    content: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
    if predictions is None:
        sizes = (f"mAP50-95_{size}" for size in AREAS_PX2)
        names = ("F1", "F1_confidence", "num_tp", "num_fp", "num_fn", *sizes)
        metrics |= dict.fromkeys(names)
        unmeasured |= dict.fromkeys(names, why_not)
    else:
        content |= _evaluated(predictions, figures, best, metrics, unmeasured)
    _add_learning(learning["mAP50-95"], metrics, unmeasured)
    content["learning"] = {name: asdict(facts) for name, facts in learning.items()}
    content["unmeasured"] = unmeasured
    return Summary(content=content, metrics=metrics, unmeasured=unmeasured)


def read_accuracy(run_dir: Path) -> dict[str, Any] | None:
    """The content of accuracy.json; None where there is none that this version reads."""
    content = read_json(run_dir / ACCURACY_FILE)
    return content if content is not None and content.get("schema_version") == SCHEMA_VERSION else None


def _evaluated(
    predictions: Predictions,
    figures: Sequence[ClassFigures],
    best: BestConfidence | None,
    metrics: dict[str, float | None],
    unmeasured: dict[str, str],
) -> dict[str, Any]:
    """What predictions show; fills metrics and reasons."""
    sizes = ap_by_size(predictions)
    found = intervals(predictions)
    confidence = best.confidence if best is not None and best.f1 > 0 else None
    counts = None if confidence is None else count_by_class(predictions, confidence)
    values: dict[str, float | None] = {"F1": best.f1 if best else None, "F1_confidence": confidence}
    for name in ("num_tp", "num_fp", "num_fn"):
        values[name] = None if counts is None else float(sum(getattr(count, name) for count in counts.values()))
    reason = _NO_BOXES if best is None else _NOTHING_RIGHT if predictions.pred_class.size else _NO_PREDICTIONS
    unmeasured |= {name: reason for name, value in values.items() if value is None}
    for size in AREAS_PX2:
        name = f"mAP50-95_{size}"
        metrics[name] = sizes[size].ap50_95
        if sizes[size].reason:
            unmeasured[name] = str(sizes[size].reason)
    metrics |= values
    return {
        "num_images": predictions.num_images,
        "num_boxes": int(predictions.label_class.size),
        "num_predictions": int(predictions.pred_class.size),
        "overall": {
            "mAP50": _mean([figure.ap50 for figure in figures]),
            "mAP50-95": _mean([figure.ap50_95 for figure in figures]),
            **values,
        },
        "classes": _classes(predictions, figures, counts or {}, found),
        "sizes": {size: _size(ap) for size, ap in sizes.items()},
        "intervals": _intervals(found),
    }


def _classes(
    predictions: Predictions, figures: Sequence[ClassFigures], counts: Mapping[int, Counts], found: Intervals
) -> list[dict[str, Any]]:
    """Every class of the data set, in its order."""
    by_label = {figure.label: figure for figure in figures}
    rows = []
    for label, name in sorted(predictions.class_names.items()):
        figure = by_label.get(label)
        row: dict[str, Any] = {"name": name, "num_images": 0, "num_boxes": 0}
        row |= dict.fromkeys(("AP50", "AP50-95", "AP50-95_interval", "precision", "recall", "F1"))
        if figure is not None:
            row |= {"num_images": figure.num_images, "num_boxes": figure.num_boxes}
            row |= {"AP50": figure.ap50, "AP50-95": figure.ap50_95, "AP50-95_interval": found.by_class.get(label)}
            row |= {"precision": figure.precision, "recall": figure.recall, "F1": figure.f1}
        count = counts.get(label)
        row |= {name: getattr(count, name, None) for name in ("num_tp", "num_fp", "num_fn")}
        rows.append(row)
    return rows


def _size(ap: SizeAp) -> dict[str, Any]:
    return {"num_boxes": ap.num_boxes, "AP50": ap.ap50, "AP50-95": ap.ap50_95, "reason": ap.reason}


def _intervals(found: Intervals) -> dict[str, Any]:
    return {
        "level": LEVEL,
        "num_images": found.num_images,
        "num_resamples": found.num_resamples,
        "seed": SEED,
        "mAP50": found.mean.get("mAP50"),
        "mAP50-95": found.mean.get("mAP50-95"),
        "resampled": [round(value, 6) for value in found.resampled],
        "reason": found.reason,
    }


def _add_learning(facts: Learning, metrics: dict[str, float | None], unmeasured: dict[str, str]) -> None:
    """The three facts of the mAP50-95 curve that stand among the metrics."""
    names = {
        "epochs_to_90_percent": (facts.epochs_to[90], "epochs_to"),
        "plateau_epoch": (facts.plateau_epoch, "plateau_epoch"),
        "last_tenth_sd": (facts.last_tenth_sd, "last_tenth_sd"),
    }
    for name, (value, key) in names.items():
        metrics[name] = None if value is None else float(value)
        if value is None:
            unmeasured[name] = facts.unmeasured[key]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
