"""What a network said about all val images, beside what the labels say: plain arrays that every figure is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# P predictions, G labelled boxes, T the 10 IoU thresholds 0.5, 0.55, ... 0.95


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions after NMS and labelled boxes of a whole split.

    Attributes:
        num_images: images of the split, those without labels and without predictions included.
        class_names: class index -> name.
        pred_image, label_image: (P,), (G,): index of the image.
        pred_class, label_class: (P,), (G,): index of the class.
        pred_confidence: (P,).
        pred_boxes, label_boxes: (P, 4), (G, 4): left, top, right, bottom in pixels of the original image.
        pred_is_hit: (P, T): whether the prediction matches a box of its class, as Ultralytics matches them; for
            masks and poses whether it matches one of those.
        has_upright_boxes: COCO's sizes are of such; rotated boxes have none.
    """

    num_images: int
    class_names: Mapping[int, str]
    pred_image: NDArray[np.int64]
    pred_class: NDArray[np.int64]
    pred_confidence: NDArray[np.float64]
    pred_boxes: NDArray[np.float64]
    pred_is_hit: NDArray[np.bool_]
    label_image: NDArray[np.int64]
    label_class: NDArray[np.int64]
    label_boxes: NDArray[np.float64]
    has_upright_boxes: bool = True

    @property
    def labelled_classes(self) -> list[int]:
        """Indices of the classes that have a labelled box; only these have an AP."""
        return sorted(set(self.label_class.tolist()))
