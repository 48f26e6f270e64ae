"""What a network said about all val images, beside what the labels say: plain arrays that every figure is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

# P predictions, G labelled boxes, T the 10 IoU thresholds 0.5, 0.55, ... 0.95


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions after NMS and labelled boxes of a whole split.

    Attributes:
        num_images: images of the split, those without labels and without predictions included.
        class_names: class index -> name.
        image_P, image_G: index of the image.
        boxes_P4, boxes_G4: left, top, right, bottom in pixels of the original image.
        is_hit_PT: whether the prediction matches a box of its class at each IoU threshold, as Ultralytics matches them.
    """

    num_images: int
    class_names: Mapping[int, str]
    image_P: NDArray[np.int64]
    class_P: NDArray[np.int64]
    confidence_P: NDArray[np.float64]
    boxes_P4: NDArray[np.float64]
    is_hit_PT: NDArray[np.bool_]
    image_G: NDArray[np.int64]
    class_G: NDArray[np.int64]
    boxes_G4: NDArray[np.float64]

    @property
    def labelled_classes(self) -> list[int]:
        """Indices of the classes that have a labelled box; only these have an AP."""
        return sorted(set(self.class_G.tolist()))
