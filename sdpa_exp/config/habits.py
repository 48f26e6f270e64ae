"""What people type from habit, Ultralytics' own names above all, and the key that it is here."""

from __future__ import annotations

from dataclasses import fields

from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.config.train_schema import TrainConfig

_DATA = "dataset=yolo_dir dataset.path"
_WEIGHTS = "model.weights (to train from it) or detect.weights (with task=detect)"
_ULTRALYTICS = {
    "data": _DATA,
    "data_yaml": _DATA,
    "path": _DATA,
    "weights": _WEIGHTS,
    "pretrained": _WEIGHTS,
    "checkpoint": _WEIGHTS,
    "amp": "hardware.precision (fp32, fp16 or bf16)",
    "half": "hardware.precision (fp32, fp16 or bf16)",
    "batch_size": "hardware.batch",
    "img": "train.imgsz",
    "img_size": "train.imgsz",
    "lr": "train.lr0",
    "source": "detect.source (with task=detect)",
    "project": "name, or hydra.sweep.dir and hydra.run.dir for a folder of your own",
    "exist_ok": "run.overwrite",
    "mode": "task",
}
_ARGUMENTS = {
    **{field.name: f"train.{field.name}" for field in fields(TrainConfig)},
    **{field.name: f"hardware.{field.name}" for field in fields(HardwareConfig)},
    **_ULTRALYTICS,
}
LAUNCHERS = {
    "joblib": "hydra-joblib-launcher",
    "ray": "hydra-ray-launcher",
    "ray_aws": "hydra-ray-launcher",
    "rq": "hydra-rq-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
    "ax": "hydra-ax-sweeper",
    "nevergrad": "hydra-nevergrad-sweeper",
}
"""Option of hydra/launcher or hydra/sweeper -> the package that brings it (facebookresearch/hydra, plugins/)."""


def home_of(key: str) -> str | None:
    """Where a key that does not exist is here: `imgsz` and `hardware.imgsz` are train.imgsz; None for no habit."""
    parent, _, name = key.rpartition(".")
    if parent not in ("", "train", "hardware", "model", "dataset"):
        return None
    home = _ARGUMENTS.get(name)
    return None if home == key or name == "name" else home
