"""Ultralytics' real validators over real files, with predictions planted where the network's would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from ultralytics.models.rtdetr.val import RTDETRValidator
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.utils import ops

from sdpa_exp.callbacks.accuracy import PredictionRecorder
from sdpa_exp.injection.build import build_network

SIZES_PX = ((300, 200), (160, 240), (128, 128), (90, 310))  # width, height: letterboxed each in its own way
NAMES = ("crop", "weed", "never seen")


def write_field(folder: Path, *, num_images: int = 12) -> tuple[Path, list[list[tuple[int, list[float]]]]]:
    """A data set of odd shapes; the third image has no label file. Returns its data.yaml and the boxes in pixels."""
    rng = np.random.default_rng(0)
    boxes: list[list[tuple[int, list[float]]]] = []
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for index in range(num_images):
        width, height = SIZES_PX[index % len(SIZES_PX)]
        cv2.imwrite(str(folder / "images" / f"{index:03}.png"), np.full((height, width, 3), 90, dtype=np.uint8))
        rows, lines = [], []
        for _ in range(5 if index != 2 else 0):
            w, h = rng.uniform(12, 0.8 * width), rng.uniform(12, 0.8 * height)
            left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
            label = int(rng.integers(0, 2))
            rows.append((label, [left, top, left + w, top + h]))
            lines.append(f"{label} {(left + w / 2) / width} {(top + h / 2) / height} {w / width} {h / height}")
        if lines:
            (folder / "labels" / f"{index:03}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        boxes.append(rows)
    data = {"path": str(folder), "train": "images", "val": "images", "names": dict(enumerate(NAMES))}
    (folder / "data.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return folder / "data.yaml", boxes


class _Planted:
    """Answers with the labels: moved a little, some left out, some of the other class, some out of nothing."""

    def preprocess(self, batch: dict[str, Any]) -> dict[str, Any]:
        self.batch = super().preprocess(batch)  # type: ignore[misc]
        batch_: dict[str, Any] = self.batch
        return batch_

    def postprocess(self, preds: Any) -> list[dict[str, torch.Tensor]]:
        generator = torch.Generator().manual_seed(int(self.batch["cls"].sum()) + len(self.batch["im_file"]))
        height, width = self.batch["img"].shape[2:]
        answers = []
        for index in range(len(self.batch["im_file"])):
            is_here = self.batch["batch_idx"] == index
            boxes = ops.xywh2xyxy(self.batch["bboxes"][is_here]) * torch.tensor([width, height, width, height])
            classes = self.batch["cls"][is_here].squeeze(-1)
            is_kept = torch.rand(len(boxes), generator=generator) < self.share_found  # type: ignore[attr-defined]
            boxes, classes = boxes[is_kept], classes[is_kept]
            sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
            boxes = boxes + 0.06 * sides * torch.randn(boxes.shape, generator=generator)
            is_swapped = torch.rand(len(boxes), generator=generator) < 0.1
            classes = torch.where(is_swapped, 1 - classes, classes)
            if self.share_found > 0:  # type: ignore[attr-defined]
                corner = torch.rand(3, 2, generator=generator) * min(height, width) / 2
                wrong = torch.cat([corner, corner + 5 + 40 * torch.rand(3, 2, generator=generator)], dim=1)
                boxes, classes = torch.cat([boxes, wrong]), torch.cat([classes, torch.tensor([0.0, 1.0, 2.0])])
            confidence = torch.rand(len(boxes), generator=generator)
            order = confidence.argsort(descending=True)
            answers.append({"bboxes": boxes[order], "conf": confidence[order], "cls": classes[order]})
        return answers


class PlantedYolo(_Planted, DetectionValidator):  # type: ignore[misc]
    """A YOLO validation."""


class PlantedRtdetr(_Planted, RTDETRValidator):  # type: ignore[misc]
    """An RT-DETR validation, which stretches images instead of padding them."""


def validate(
    kind: type[_Planted], data_yaml: Path, folder: Path, *, share_found: float = 0.8, save_json: bool = False
) -> tuple[Any, PredictionRecorder, dict[str, float]]:
    """Validator, recorder and Ultralytics' own results."""
    arguments = {"task": "detect", "mode": "val", "data": str(data_yaml), "imgsz": 128, "batch": 4, "device": "cpu"}
    arguments |= {"plots": False, "verbose": False, "project": str(folder), "name": "val", "save_json": save_json}
    validator: Any = kind(args=arguments)  # type: ignore[call-arg]
    validator.share_found = share_found
    recorder = PredictionRecorder()
    recorder.accompany(validator)
    network = build_network("yolo12n.yaml", len(NAMES))
    vars(network)["names"] = dict(enumerate(NAMES))
    results = validator(model=network.eval())
    recorder.leave(validator)
    return validator, recorder, results
