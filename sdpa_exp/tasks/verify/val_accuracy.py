"""Accuracy of a network on a data set's val split, by Ultralytics' own validator."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from sdpa_exp.config.plan import Plan
from sdpa_exp.runs.metrics import ULTRALYTICS_NAMES

OUTPUT_FOLDER = "val"


def val_accuracy(network: nn.Module, plan: Plan, data_yaml: Path, *, imgsz: int) -> dict[str, float]:
    """What Ultralytics measures for the model's purpose (mAP50-95, top1, ...), in fp32.

    The network is consumed: Ultralytics fuses it in place.

    Args:
        network: with its backend injected.
        plan: resolved; batch and device are taken from it, and its run folder gets Ultralytics' files.
        data_yaml: of the prepared data set.
        imgsz: edge in pixels.
    """
    from ultralytics.models import yolo
    from ultralytics.models.rtdetr.val import RTDETRValidator
    from ultralytics.nn.tasks import RTDETRDetectionModel

    validators = {
        "detect": yolo.detect.DetectionValidator,
        "segment": yolo.segment.SegmentationValidator,
        "pose": yolo.pose.PoseValidator,
        "obb": yolo.obb.OBBValidator,
        "classify": yolo.classify.ClassificationValidator,
    }
    is_rtdetr = isinstance(network, RTDETRDetectionModel)
    validator_class = RTDETRValidator if is_rtdetr else validators[plan.purpose.name]
    device = plan.hardware.device
    validator = validator_class(
        args={
            "task": plan.purpose.name,
            "mode": "val",
            "data": str(data_yaml),
            "imgsz": imgsz,
            "batch": plan.hardware.batch,
            "workers": plan.hardware.workers,
            "device": device.removeprefix("cuda:") if device.startswith("cuda") else device,
            "plots": False,
            "verbose": False,
            "project": str(plan.run_dir),
            "name": OUTPUT_FOLDER,
            "exist_ok": True,
        }
    )
    stats = validator(model=network.eval())
    return {name: float(stats[key]) for key, name in ULTRALYTICS_NAMES.items() if key in stats}
