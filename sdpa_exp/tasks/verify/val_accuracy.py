"""Accuracy of a network on a data set's val split, by Ultralytics' own validator."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from sdpa_exp.config.plan import Plan
from sdpa_exp.runs.metrics import ULTRALYTICS_NAMES
from sdpa_exp.tasks.network import ultralytics_class

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
    validator = ultralytics_class("validator", network, plan.purpose.name)(
        args={
            "task": plan.purpose.name,
            "mode": "val",
            "data": str(data_yaml),
            "imgsz": imgsz,
            "batch": plan.hardware.batch,
            "workers": plan.hardware.workers,
            "device": plan.hardware.device.removeprefix("cuda:"),
            "plots": False,
            "verbose": False,
            "project": str(plan.run_dir),
            "name": OUTPUT_FOLDER,
            "exist_ok": True,
        }
    )
    stats = validator(model=network.eval())
    return {name: float(stats[key]) for key, name in ULTRALYTICS_NAMES.items() if key in stats}
