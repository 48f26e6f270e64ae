"""One line of a label as what it is: a box, a polygon, a rotated box or a pose, in fractions of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Object:
    """A labelled object.

    Attributes:
        class_id: its class.
        box: left, top, right, bottom of the upright box.
        polygon: corners of a mask or a rotated box; empty for a box.
        keypoints: x, y and visibility (0 not labelled, 1 hidden, 2 seen; 2 where the data set doesn't say).
        is_rotated: the polygon is a rotated box.
    """

    class_id: int
    box: tuple[float, float, float, float]
    polygon: tuple[Point, ...] = ()
    keypoints: tuple[tuple[float, float, int], ...] = ()
    is_rotated: bool = False

    def area(self, width_px: float, height_px: float) -> float:
        """Of the box in square pixels, of a rotated one along its own sides; the picture has this size."""
        if self.is_rotated:
            shifted = [*self.polygon[1:], self.polygon[0]]
            twice = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(self.polygon, shifted, strict=True))
            return abs(twice) / 2 * width_px * height_px
        left, top, right, bottom = self.box
        return (right - left) * width_px * (bottom - top) * height_px

    def outside_px(self, width_px: float, height_px: float) -> float:
        """How far the box sticks out of the picture, in pixels; 0 where it does not."""
        left, top, right, bottom = self.box
        return max(0.0, -left * width_px, (right - 1) * width_px, -top * height_px, (bottom - 1) * height_px)


def to_object(row: Sequence[float], purpose: str, numbers: int = 0) -> Object:
    """A sound row of a label.

    Args:
        row: the class and the coordinates.
        purpose: Ultralytics' task.
        numbers: how many numbers a keypoint has, for poses.
    """
    class_id, *values = row
    if purpose == "pose":
        points = [values[4 + i : 4 + i + numbers] for i in range(0, len(values) - 4, numbers or 1)]
        keypoints = tuple((p[0], p[1], int(p[2]) if numbers > 2 else 2) for p in points)
        return Object(class_id=int(class_id), box=_box(values), keypoints=keypoints)
    if len(row) == 5:
        return Object(class_id=int(class_id), box=_box(values))
    polygon = tuple(zip(values[::2], values[1::2], strict=True))
    across, down = [x for x, _ in polygon], [y for _, y in polygon]
    return Object(
        class_id=int(class_id),
        box=(min(across), min(down), max(across), max(down)),
        polygon=polygon,
        is_rotated=purpose == "obb",
    )


def _box(values: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, width, height = values[:4]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
