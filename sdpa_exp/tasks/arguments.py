"""The Ultralytics arguments of a plan."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sdpa_exp.config.plan import Plan

_AMP = {"fp32": False, "fp16": True, "bf16": "bf16"}
_CACHE = {"none": False, "ram": "ram", "disk": "disk"}
OUTPUT_FOLDER = "train"


def train_arguments(plan: Plan, data_yaml: Path) -> dict[str, Any]:
    """Overrides for Ultralytics' trainer; its output goes to `<run folder>/train`."""
    recipe = {key: value for key, value in asdict(plan.train).items() if key != "name" and value is not None}
    hardware = plan.hardware
    device = hardware.device.removeprefix("cuda:") if hardware.device.startswith("cuda") else hardware.device
    return {
        **recipe,
        "task": "detect",
        "mode": "train",
        "model": plan.model.architecture,
        "pretrained": plan.model.weights or False,
        "data": str(data_yaml),
        "seed": plan.seed,
        "batch": hardware.batch,
        "workers": hardware.workers,
        "cache": _CACHE[hardware.cache or "none"],
        "amp": _AMP[hardware.precision or "fp32"],
        "channels_last": hardware.channels_last,
        "device": device,
        "project": str(plan.run_dir),
        "name": OUTPUT_FOLDER,
        "exist_ok": True,
        "verbose": True,
    }
