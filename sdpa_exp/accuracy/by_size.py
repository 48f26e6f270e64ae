"""AP by COCO's object sizes, through faster-coco-eval, with the number of boxes that each figure rests on.

Sizes are areas of the labelled box in pixels of the original image, whatever size the network saw. COCO's AP is not
Ultralytics' mAP, and both are kept. Ultralytics matches predictions before it cuts them at the image's edge, and pads
images when it validates: where objects are cut by the edge, predictions reach into the padding and lose IoU, on the
synthetic field some points of mAP50-95. On boxes that are cut first, the two agree within a point (a test checks it);
what is left is the mean of 101 recall points where Ultralytics takes a trapezoid (0.995, not 1, for a perfect
detector), and at most 100 predictions an image and class where Ultralytics takes max_det an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdpa_exp.accuracy.predictions import Predictions

AREAS_PX2 = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 10**10)}
MAX_DETECTIONS = 100


@dataclass(frozen=True, kw_only=True)
class SizeAp:
    """AP over the boxes of one size, and over "all". `reason` says why there is none."""

    num_boxes: int
    ap50: float | None = None
    ap50_95: float | None = None
    reason: str | None = None


def ap_by_size(predictions: Predictions) -> dict[str, SizeAp]:
    """AP of all, small, medium and large boxes: the mean over the classes that have such boxes.

    A box of exactly 32 or 96 pixels squared counts on both sides, as in COCO's own code.
    """
    area_G = _areas(predictions.label_boxes)
    counts = {size: int(((area_G >= low) & (area_G <= high)).sum()) for size, (low, high) in AREAS_PX2.items()}
    counts = {"all": area_G.size, **counts}
    if not area_G.size:
        return {size: SizeAp(num_boxes=0, reason="the val images have no labelled boxes") for size in counts}
    if not predictions.has_upright_boxes:
        reason = "the boxes are rotated, and COCO's sizes are of upright ones"
        return {size: SizeAp(num_boxes=count, reason=reason) for size, count in counts.items()}
    try:
        precision = _precision(predictions)
    except ImportError as error:
        reason = f"faster-coco-eval can't be imported ({error}): install the packages of requirements.lock again"
        return {size: SizeAp(num_boxes=count, reason=reason) for size, count in counts.items()}
    found = {}
    for index, (size, count) in enumerate(counts.items()):
        if not count:
            reason = f"the val images have no {size} boxes ({size_limits(size)})"
            found[size] = SizeAp(num_boxes=0, reason=reason)
            continue
        of_size_TRC = precision[..., index]
        found[size] = SizeAp(num_boxes=count, ap50=_mean(of_size_TRC[0]), ap50_95=_mean(of_size_TRC))
    return found


def _precision(predictions: Predictions) -> NDArray[np.float64]:
    """COCO's interpolated precision by IoU threshold, recall point, class and size (all first); -1 for no boxes."""
    from faster_coco_eval import COCO, COCOeval_faster

    labels = COCO(_labels(predictions), print_function=_silent)
    found = labels.loadRes(_detections(predictions))
    ranges = {size: list(limits) for size, limits in AREAS_PX2.items()}
    evaluation = COCOeval_faster(labels, found, iouType="bbox", ranges=ranges, print_function=_silent)
    evaluation.params.maxDets = [MAX_DETECTIONS]
    evaluation.evaluate()
    evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"])[..., -1]


def _labels(predictions: Predictions) -> dict[str, Any]:
    """The labels as COCO's annotation file holds them."""
    boxes = _left_top_width_height(predictions.label_boxes)
    areas = _areas(predictions.label_boxes)
    rows = zip(
        predictions.label_image.tolist(), predictions.label_class.tolist(), boxes.tolist(), areas.tolist(), strict=True
    )
    return {
        "images": [{"id": image + 1} for image in range(predictions.num_images)],
        "categories": [{"id": label + 1, "name": str(label)} for label in predictions.labelled_classes],
        "annotations": [
            {"id": i, "image_id": image + 1, "category_id": label + 1, "bbox": box, "area": area, "iscrowd": 0}
            for i, (image, label, box, area) in enumerate(rows, start=1)
        ],
    }


def _detections(predictions: Predictions) -> list[dict[str, Any]]:
    """The predictions as COCO's result file holds them; classes without a labelled box have no AP and are left out."""
    is_used_P = np.isin(predictions.pred_class, predictions.labelled_classes)
    is_used_P &= np.isfinite(predictions.pred_boxes).all(axis=1)
    boxes = _left_top_width_height(predictions.pred_boxes[is_used_P])
    rows = zip(
        predictions.pred_image[is_used_P].tolist(),
        predictions.pred_class[is_used_P].tolist(),
        boxes.tolist(),
        predictions.pred_confidence[is_used_P].tolist(),
        strict=True,
    )
    return [
        {"image_id": image + 1, "category_id": label + 1, "bbox": box, "score": score, "segmentation": []}
        for image, label, box, score in rows
    ]


def _left_top_width_height(boxes_N4: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([boxes_N4[:, :2], boxes_N4[:, 2:] - boxes_N4[:, :2]], axis=1)


def _areas(boxes_N4: NDArray[np.float64]) -> NDArray[np.float64]:
    sides_N2 = boxes_N4[:, 2:] - boxes_N4[:, :2]
    areas_N: NDArray[np.float64] = sides_N2[:, 0] * sides_N2[:, 1]
    return areas_N


def _mean(precision: NDArray[np.float64]) -> float:
    """The mean over what has boxes."""
    return float(precision[precision > -1].mean())


def size_limits(size: str) -> str:
    """The areas of a size in words."""
    low, high = (round(limit**0.5) for limit in AREAS_PX2[size])
    sides = {"small": f"up to {high}² px", "large": f"from {low}² px"}
    return sides.get(size, f"{low}² to {high}² px")


def _silent(*words: object) -> None:
    """Takes what the evaluation would print."""
