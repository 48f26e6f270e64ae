"""What a model found in one image as rows: its class, score and box, and its shape by what the model is for.

The model that tracking logs carries a copy of this file, so it imports nothing of this package.
"""

from __future__ import annotations

from typing import Any

CLASS, BOX = ("class", "name", "score"), ("x1", "y1", "x2", "y2")
SHAPES = {"segment": "polygon", "pose": "keypoints", "obb": "corners"}
"""Purpose -> the column of its shapes: x, y pairs in pixels; of keypoints x, y, score, 1 where the model has none."""


def columns_of(purpose: str) -> tuple[str, ...]:
    """The keys of the rows of a model for this purpose; whole images that are classified have no box."""
    return (*CLASS, *(() if purpose == "classify" else BOX), *((SHAPES[purpose],) if purpose in SHAPES else ()))


def rows_of(result: Any, *, top: int = 5) -> list[dict[str, Any]]:
    """One row a find; of a classified image one for each of the best classes.

    Args:
        result: Ultralytics' Results.
        top: how many classes of a classified image.

    Returns:
        Rows with the keys of `columns_of`; boxes are corners in pixels, around a rotated box if it is one.
    """
    if result.probs is not None:
        best = result.probs.data.sort(descending=True)
        finds = [(number, score, ()) for number, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
        return [_row(result, number, score, corners) for number, score, corners in finds[:top]]
    boxes = result.boxes if result.obb is None else result.obb
    values = zip(boxes.cls.tolist(), boxes.conf.tolist(), boxes.xyxy.tolist(), strict=True)
    rows = [_row(result, number, score, corners) for number, score, corners in values]
    for name, shapes in _shapes(result).items():
        for row, shape in zip(rows, shapes, strict=True):
            row[name] = shape
    return rows


def _row(result: Any, number: float, score: float, corners: Any) -> dict[str, Any]:
    named = {"class": int(number), "name": result.names[int(number)], "score": score}
    return named | dict(zip(BOX, corners, strict=False))


def _shapes(result: Any) -> dict[str, list[list[float]]]:
    shapes = {}
    if result.masks is not None:
        shapes["polygon"] = [polygon.ravel().tolist() for polygon in result.masks.xy]
    if result.keypoints is not None:
        shapes["keypoints"] = [
            [value for point in pose for value in (point if len(point) == 3 else [*point, 1.0])]
            for pose in result.keypoints.data.tolist()
        ]
    if result.obb is not None:
        shapes["corners"] = result.obb.xyxyxyxy.flatten(1).tolist()
    return shapes
