"""Predictions made by hand or at random, with hits as Ultralytics defines them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sdpa_exp.accuracy.predictions import Predictions

THRESHOLDS = np.linspace(0.5, 0.95, 10)
Box = tuple[float, float, float, float]


def made(
    *,
    labels: Sequence[tuple[int, int, Box]],
    found: Sequence[tuple[int, int, Box, float, float]],
    num_images: int,
    num_classes: int = 1,
) -> Predictions:
    """From (image, class, box) and (image, class, box, confidence, IoU with the box it is matched to, or 0)."""
    ious = np.array([row[4] for row in found])
    return Predictions(
        num_images=num_images,
        class_names={i: f"class {i}" for i in range(num_classes)},
        pred_image=np.array([row[0] for row in found], dtype=np.int64),
        pred_class=np.array([row[1] for row in found], dtype=np.int64),
        pred_boxes=np.array([row[2] for row in found], dtype=np.float64).reshape(-1, 4),
        pred_confidence=np.array([row[3] for row in found], dtype=np.float64),
        pred_is_hit=ious.reshape(-1, 1) >= THRESHOLDS,
        label_image=np.array([row[0] for row in labels], dtype=np.int64),
        label_class=np.array([row[1] for row in labels], dtype=np.int64),
        label_boxes=np.array([row[2] for row in labels], dtype=np.float64).reshape(-1, 4),
    )


def at_random(*, num_images: int = 40, num_classes: int = 3, seed: int = 0) -> Predictions:
    """A middling detector: 8 boxes an image, most of them met more or less well, and 12 predictions of nothing."""
    rng = np.random.default_rng(seed)
    label_image = np.repeat(np.arange(num_images), 8)
    label_class = rng.integers(0, num_classes, label_image.size)
    corner = rng.uniform(0, 100, (label_image.size, 2))
    is_met = rng.random(label_image.size) < 0.8
    wrong_image = np.repeat(np.arange(num_images), 12)
    ious = np.concatenate([rng.uniform(0.4, 1, int(is_met.sum())), np.zeros(wrong_image.size)])
    return Predictions(
        num_images=num_images,
        class_names={i: f"class {i}" for i in range(num_classes)},
        pred_image=np.concatenate([label_image[is_met], wrong_image]),
        pred_class=np.concatenate([label_class[is_met], rng.integers(0, num_classes, wrong_image.size)]),
        pred_boxes=np.zeros((ious.size, 4)),
        pred_confidence=0.01 + 0.5 * ious + rng.uniform(0, 0.4, ious.size),
        pred_is_hit=ious[:, None] >= THRESHOLDS,
        label_image=label_image,
        label_class=label_class,
        label_boxes=np.concatenate([corner, corner + rng.uniform(5, 150, (label_image.size, 2))], axis=1),
    )


def drawn(predictions: Predictions, times_I: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of predictions and of boxes where each image stands as often as it was drawn."""
    preds = np.repeat(np.arange(predictions.pred_image.size), times_I[predictions.pred_image])
    labels = np.repeat(np.arange(predictions.label_image.size), times_I[predictions.label_image])
    return preds, labels
