"""Precision, recall and F1 at one confidence, and the predictions that are right, wrong and missing there.

The confidence is the one that Ultralytics uses for its precision and recall: where the smoothed mean F1 over classes
is largest. Precision, recall and F1 are read from its curves, which interpolate between predictions; the counts are
plain counts at IoU 0.5, so that they add up to the labelled boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdpa_exp.accuracy.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class Counts:
    """True positives, false positives and missed boxes at IoU 0.5."""

    num_tp: int
    num_fp: int
    num_fn: int


def count_by_class(predictions: Predictions, confidence: float) -> dict[int, Counts]:
    """Counts of every class that has labelled boxes or predictions of at least this confidence."""
    is_kept_P = predictions.pred_confidence >= confidence
    kept_classes = set(predictions.pred_class[is_kept_P].tolist())
    found = {}
    for label in sorted({*predictions.labelled_classes, *kept_classes}):
        is_hit = predictions.pred_is_hit[is_kept_P & (predictions.pred_class == label), 0]
        num_tp = int(is_hit.sum())
        num_boxes = int((predictions.label_class == label).sum())
        found[label] = Counts(num_tp=num_tp, num_fp=is_hit.size - num_tp, num_fn=num_boxes - num_tp)
    return found
