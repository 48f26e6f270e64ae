"""Draws what was found, and the time of the frame, with Ultralytics' annotator; two models stand side by side."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdpa_exp.tasks.latency.agreement import boxes_of

_DIFFERS = (0, 0, 255)  # BGR
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def draw(result: Any, caption: str, only_here: Set[int] = frozenset()) -> NDArray[np.uint8]:
    """One frame with what was found and a line above it, below it where names of classes stand there.

    Args:
        result: Ultralytics' Results.
        caption: the line, such as `sdpa  23.4 ms  42.7 FPS`.
        only_here: indices of boxes that the other model has not; they get a thick red frame.
    """
    picture: NDArray[np.uint8] = np.array(result.plot())  # of classes it is read-only
    thickness = max(2, round(sum(picture.shape[:2]) / 400))
    for index in only_here:
        x1, y1, x2, y2 = (round(float(side)) for side in boxes_of(result)[index, :4])
        cv2.rectangle(picture, (x1, y1), (x2, y2), _DIFFERS, 2 * thickness)
    scale = max(0.4, sum(picture.shape[:2]) / 2400)
    weight = max(1, thickness // 2)
    (width, height), below = cv2.getTextSize(caption, cv2.FONT_HERSHEY_SIMPLEX, scale, weight)
    band = height + below + 6
    top = 0 if result.probs is None else picture.shape[0] - band  # the names of classes stand above
    cv2.rectangle(picture, (0, top), (width + 8, top + band), _BLACK, cv2.FILLED)
    cv2.putText(picture, caption, (4, top + height + 3), cv2.FONT_HERSHEY_SIMPLEX, scale, _WHITE, weight, cv2.LINE_AA)
    return picture


def beside(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures of one size in a row."""
    return pictures[0] if len(pictures) == 1 else np.hstack(pictures)
