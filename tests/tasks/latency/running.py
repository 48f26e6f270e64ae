"""Runs task=latency in this process on small images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from sdpa_exp.injection.build import build_network
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.latency.work import measure_latency
from tests.tasks.in_process import run_task

TINY = (
    "task=latency",
    "hardware=cpu",
    "hardware.num_threads=1",
    "dataset.num_train_images=2",
    "dataset.num_val_images=4",
    "dataset.image_px=96",
    "latency.imgsz=64",
    "latency.batches=[1]",
    "latency.num_batches=6",
    "latency.time_limit_s=1",
)


def run(folder: Path, *overrides: str) -> tuple[Outcome, dict[str, Any]]:
    outcome, _ = run_task(measure_latency, folder, *TINY, *overrides)
    return outcome, json.loads((folder / "latency.json").read_text())


def write_checkpoint(path: Path, *, imgsz: int, score: float | None = None, kind: str = "") -> Path:
    """A best.pt of YOLO12n (`kind`: -seg, -pose, ...) with 4 classes; with a score, anchors claim about that much."""
    torch.manual_seed(0)
    network = build_network(f"yolo12n{kind}.yaml", 4)
    vars(network)["names"] = dict(enumerate("abcd"))
    vars(network)["task"] = {"-seg": "segment", "-cls": "classify", "": "detect"}.get(kind, kind[1:])
    for module in network.modules():  # real batch statistics, so that anchors differ
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(torch.rand(4, 3, imgsz, imgsz))
    if score is not None:
        head: Any = network.get_submodule("model")[-1]  # type: ignore[index]
        for branch in head.cv3:
            torch.nn.init.constant_(branch[-1].bias, float(torch.logit(torch.tensor(score))))
    torch.save({"model": network, "train_args": {"imgsz": imgsz}}, path)
    return path
