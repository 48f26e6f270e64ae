"""Labels of the rendered field that are more than boxes: it knows which pixel belongs to which plant.

| purpose | label of a plant |
|---      |---|
| segment | the outline of its largest visible part |
| obb     | the smallest rotated box around everything visible of it, cut at the edge of the picture |
| pose    | its box, its centre (where the leaves meet) and its tip (the visible pixel farthest from the centre) |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdpa_exp.data.synthetic_field.render_scene import Box, Scene

KEYPOINTS: dict[str, Any] = {
    "kpt_shape": [2, 3],
    "flip_idx": [0, 1],
    "kpt_names": {i: ["centre", "tip"] for i in range(4)},
}
"""As data.yaml says it."""
_HIDDEN, _SEEN = 1, 2  # visibility of a keypoint as COCO counts it; 0 is not labelled
_SMOOTHING_PX = 0.5  # an outline may leave the pixels by this much
_MIN_AREA_PX = 4


def label_lines(scene: Scene, purpose: str) -> list[str]:
    """One line a plant that has a box, in Ultralytics' format for segment, obb or pose.

    A plant without an outline (a thin line of pixels) has no line for segment and obb.
    """
    numbers_of: Callable[[Scene, Box, NDArray[np.bool_]], list[float]] = {
        "segment": _outline,
        "obb": _corners,
        "pose": _keypoints,
    }[purpose]
    lines = []
    for box in scene.boxes:
        numbers = numbers_of(scene, box, scene.owner == box.place)
        if numbers:
            lines.append(" ".join([str(box.class_id), *(f"{number:.6f}" for number in numbers)]) + "\n")
    return lines


def _outline(scene: Scene, box: Box, mask: NDArray[np.bool_]) -> list[float]:
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(found, key=cv2.contourArea)
    if cv2.contourArea(contour) < _MIN_AREA_PX:
        return []
    points = cv2.approxPolyDP(contour, _SMOOTHING_PX, True).reshape(-1, 2)
    return _fractions(points + 0.5, mask.shape[0]) if len(points) >= 3 else []


def _corners(scene: Scene, box: Box, mask: NDArray[np.bool_]) -> list[float]:
    rows, columns = np.nonzero(mask)
    centres = np.stack([columns, rows], axis=1).astype(np.float32) + 0.5
    (x, y), (width, height), angle = cv2.minAreaRect(centres)
    return _fractions(cv2.boxPoints(((x, y), (width + 1, height + 1), angle)), mask.shape[0])  # pixels have a size


def _keypoints(scene: Scene, box: Box, mask: NDArray[np.bool_]) -> list[float]:
    size_px = mask.shape[0]
    place = scene.places[box.place]
    rows, columns = np.nonzero(mask)
    farthest = int(np.argmax((columns - place.x * size_px) ** 2 + (rows - place.y * size_px) ** 2))
    tip = (float(columns[farthest] + 0.5) / size_px, float(rows[farthest] + 0.5) / size_px)
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)  # outside the picture: not labelled
    if 0 <= place.x < 1 and 0 <= place.y < 1:
        is_seen = bool(mask[int(place.y * size_px), int(place.x * size_px)])
        centre = (place.x, place.y, _SEEN if is_seen else _HIDDEN)
    middle = ((box.x0 + box.x1) / 2 / size_px, (box.y0 + box.y1) / 2 / size_px)
    return [*middle, (box.x1 - box.x0) / size_px, (box.y1 - box.y0) / size_px, *centre, *tip, _SEEN]


def _fractions(points_N2: NDArray[Any], size_px: int) -> list[float]:
    flat: list[float] = np.clip(points_N2 / size_px, 0.0, 1.0).reshape(-1).tolist()
    return flat
