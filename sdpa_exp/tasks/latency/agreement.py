"""Do two arms predict the same? A fast check on some images, in words; task=verify is the strict one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from sdpa_exp.runs.purposes import PURPOSES
from sdpa_exp.tasks.latency.arm import Arm
from sdpa_exp.tasks.latency.source import Batch
from sdpa_exp.text_report import counted

_SAME_OBJECT_IOU = 0.5
_TIE_BREAK = 1e-4
# What rounding may do to a raw output, as a share of the image's side and as a score; larger is another computation.
_CLOSE_BOX = 0.01
_CLOSE_SCORE = 0.05
_CLOSE_OVERLAP = 0.9


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One arm against the baseline, on the same images.

    Attributes:
        num_unpaired: detections of either without a partner: same class, IoU 0.5 or more.
        max_box_diff_px, max_score_diff: over pairs; None without any.
        raw_max_box_diff_px: of the model's output before NMS, in pixels of its input; None for a model that selects
            boxes itself, since a last-bit difference may swap two of them, and for one of whole images.
        raw_max_score_diff: likewise; for a model that selects, of the sorted scores.
        purpose: what the models are for; the one find in a classified image is its best class.
        median_shape: over pairs, the overlap of masks or rotated boxes, or the largest distance of keypoints in pixels;
            None for others. Not the worst: where boxes coincide, a pair may be of two objects.
    """

    arm: str
    baseline: str
    imgsz: int
    num_images: int
    num_detections: int
    num_detections_baseline: int
    num_unpaired: int
    max_box_diff_px: float | None
    max_score_diff: float | None
    raw_max_box_diff_px: float | None
    raw_max_score_diff: float
    purpose: str = "detect"
    median_shape: float | None = None

    @property
    def is_same(self) -> bool:
        """Whether every detection has its partner."""
        return self.num_unpaired == 0

    @property
    def is_close(self) -> bool:
        """Whether the raw outputs differ by no more than rounding may."""
        most_px = _CLOSE_BOX * self.imgsz
        has_shapes = self.median_shape is None or (
            self.median_shape <= most_px if self.purpose == "pose" else self.median_shape >= _CLOSE_OVERLAP
        )
        return has_shapes and (self.raw_max_box_diff_px or 0.0) <= most_px and self.raw_max_score_diff <= _CLOSE_SCORE

    def sentence(self) -> str:
        """For the report."""
        images = counted(self.num_images, "image")
        raw = f"score {self.raw_max_score_diff:.1e}"
        if self.raw_max_box_diff_px is not None:
            raw = f"box {self.raw_max_box_diff_px:.1e} px, {raw}"
        raw = f"raw output differs by at most {raw}"
        if self.is_close and not self.num_detections and not self.num_detections_baseline:
            return f"{self.arm} and {self.baseline} both detect nothing on {images}; {raw}"
        word = "best classes" if self.purpose == "classify" else "detections"
        counts = f"{self.num_detections} {word} against {self.num_detections_baseline}"
        if not self.is_close:
            return f"{self.arm} DIFFERS from {self.baseline} on {images}: {counts}; {raw}"
        if self.is_same:
            found = f"{self.arm} and {self.baseline} have the same {self.num_detections} {word} on {images}"
            box = "" if self.purpose == "classify" else f"box {self.max_box_diff_px:.1e} px, "
            return f"{found}: {box}score {self.max_score_diff:.1e} at most{self._shapes()}; {raw}"
        return (
            f"{self.arm} and {self.baseline} on {images}: {counts}, {self.num_unpaired} without a partner, as rounding "
            f"may turn the choice of a box over; {raw}"
        )

    def _shapes(self) -> str:
        if self.median_shape is None:
            return ""
        if self.purpose == "pose":
            return f", keypoints {self.median_shape:.1e} px (median)"
        return f", {PURPOSES[self.purpose].predicts} overlap by {self.median_shape:.4f} (median)"

    def to_dict(self) -> dict[str, Any]:
        """For latency.json."""
        return {**asdict(self), "is_same": self.is_same, "is_close": self.is_close, "sentence": self.sentence()}


def compare_outputs(arms: dict[str, Arm], baseline: str, batches: Sequence[Batch], num_images: int) -> list[Agreement]:
    """Compare every arm with the baseline on the first images.

    Args:
        arms: by name, the baseline among them.
        baseline: its name.
        batches: of distinct images.
        num_images: about how many are looked at: whole batches.
    """
    taken = list(batches[: max(1, num_images // len(batches[0].paths))])
    truth = [arms[baseline].outputs(batch) for batch in taken]
    found = []
    for name, arm in arms.items():
        if name != baseline:
            found.append(_compare(name, baseline, [arm.outputs(batch) for batch in taken], truth, arm))
    return found


def _compare(arm: str, baseline: str, got: list[Any], truth: list[Any], built: Arm) -> Agreement:
    has_raw_boxes = not built.selects_itself and built.purpose != "classify"
    results = [both for (_, a), (_, b) in zip(got, truth, strict=True) for both in zip(a, b, strict=True)]
    raw = [
        _raw_diff(mine, theirs, built, len(results[0][0].names))
        for (mine, _), (theirs, _) in zip(got, truth, strict=True)
    ]
    images = [(boxes_of(mine), boxes_of(theirs)) for mine, theirs in results]
    pairs = [pair_detections(mine, theirs) for mine, theirs in images]
    shapes = [
        shape
        for both, pair in zip(results, pairs, strict=True)
        if pair[0]
        for shape in _shape_differences(built.purpose, *both, *pair)
    ]
    differences = torch.cat([mine[i] - theirs[j] for (mine, theirs), (i, j) in zip(images, pairs, strict=True)]).abs()
    counts = [sum(len(image[side]) for image in images) for side in (0, 1)]
    return Agreement(
        arm=arm,
        baseline=baseline,
        imgsz=max(built.predictor.imgsz),
        num_images=len(images),
        num_detections=counts[0],
        num_detections_baseline=counts[1],
        num_unpaired=sum(counts) - 2 * len(differences),
        max_box_diff_px=float(differences[:, :4].max()) if len(differences) else None,
        max_score_diff=float(differences[:, 4].max()) if len(differences) else None,
        raw_max_box_diff_px=max(box for box, _ in raw) if has_raw_boxes else None,
        raw_max_score_diff=max(score for _, score in raw),
        purpose=built.purpose,
        median_shape=statistics.median(shapes) if shapes else None,
    )


def boxes_of(result: Any) -> Tensor:
    """(N, 6): two corners in pixels, score, class. A rotated box has the one around it; a classified image is one."""
    if result.probs is not None:
        best = result.probs.data.max(0)
        height, width = result.orig_shape
        return torch.tensor([[0.0, 0.0, width, height, float(best.values), float(best.indices)]])
    boxes = result.boxes if result.obb is None else result.obb
    return torch.cat([boxes.xyxy, boxes.conf[:, None], boxes.cls[:, None]], dim=1).float()


def _shape_differences(purpose: str, mine: Any, theirs: Any, rows: list[int], columns: list[int]) -> list[float]:
    """Of each pair in one image; see `Agreement.median_shape`."""
    from ultralytics.utils.metrics import mask_iou, probiou

    if purpose == "pose":
        found = (mine.keypoints.xy[rows] - theirs.keypoints.xy[columns]).norm(dim=-1).amax(dim=1)
    elif purpose == "segment":
        masks = (result.masks.data[chosen].flatten(1).float() for result, chosen in ((mine, rows), (theirs, columns)))
        found = mask_iou(*masks).diagonal()
    elif purpose == "obb":
        found = probiou(mine.obb.xywhr[rows], theirs.obb.xywhr[columns]).flatten()
    else:
        return []
    return [float(each) for each in found]


def _raw_diff(mine: Tensor, theirs: Tensor, built: Arm, num_classes: int) -> tuple[float, float]:
    """Largest differences of boxes and scores.

    Args:
        mine: (B, 4 + classes + what shapes take, anchors), (B, boxes, 6 + ...) of one that selects, or (B, classes).
        theirs: likewise.
        built: says which.
        num_classes: of the model.
    """
    if built.purpose == "classify":
        return 0.0, float((mine - theirs).abs().max())
    if built.selects_itself:
        scores = [raw[..., 4].sort(dim=-1).values for raw in (mine, theirs)]
        return 0.0, float((scores[0] - scores[1]).abs().max())
    diff = (mine - theirs).abs()
    return float(diff[:, :4].max()), float(diff[:, 4 : 4 + num_classes].max())


def pair_detections(mine: Tensor, theirs: Tensor) -> tuple[list[int], list[int]]:
    """Indices of detections that belong together, the best overlap first.

    Args:
        mine: (N, 6): two corners in pixels, score, class.
        theirs: (M, 6), likewise.
    """
    from ultralytics.utils.metrics import box_iou

    if not len(mine) or not len(theirs):
        return [], []
    iou = box_iou(mine[:, :4], theirs[:, :4])
    iou[mine[:, 5:6] != theirs[None, :, 5]] = 0.0
    # Boxes cut off at the border of the image may coincide: then the score says which belong together.
    order = iou - _TIE_BREAK * (mine[:, 4:5] - theirs[None, :, 4]).abs()
    rows: list[int] = []
    columns: list[int] = []
    for flat in order.flatten().argsort(descending=True).tolist():
        row, column = divmod(flat, len(theirs))
        if iou[row, column] >= _SAME_OBJECT_IOU and row not in rows and column not in columns:
            rows.append(row)
            columns.append(column)
    return rows, columns
