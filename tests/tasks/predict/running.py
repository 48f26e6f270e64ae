"""Runs task=predict in this process on small images."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import torch

from sdpa_exp.injection.build import build_network
from sdpa_exp.results.events import Journal
from sdpa_exp.tasks.hardware import resolve_hardware
from sdpa_exp.tasks.outcome import Outcome
from sdpa_exp.tasks.predict.task import predict
from tests.tasks.planning import plan_of

TINY = (
    "task=predict",
    "hardware=cpu",
    "hardware.num_threads=1",
    "dataset.num_train_images=2",
    "dataset.num_val_images=4",
    "dataset.image_px=96",
    "predict.imgsz=64",
    "predict.batches=[1]",
    "predict.num_batches=5",
    "predict.time_limit_s=1",
)


def run(folder: Path, *overrides: str) -> tuple[Outcome, dict[str, Any]]:
    plan = plan_of(*TINY, *overrides, run_dir=folder)
    plan = dataclasses.replace(plan, hardware=resolve_hardware(plan.hardware))
    outcome = Outcome()
    journal = Journal(folder)
    try:
        predict(plan, journal, outcome, started_perf_s=time.perf_counter())
    finally:
        journal.close()
    return outcome, json.loads((folder / "predict.json").read_text())


def write_checkpoint(path: Path, *, imgsz: int, score: float | None = None) -> Path:
    """A best.pt of YOLO12n with 4 classes; with a score, anchors claim about that much for every class."""
    torch.manual_seed(0)
    network = build_network("yolo12n.yaml", 4)
    vars(network)["names"] = dict(enumerate("abcd"))
    for module in network.modules():  # real batch statistics, so that anchors differ
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()(torch.rand(4, 3, imgsz, imgsz))
    if score is not None:
        head: Any = network.get_submodule("model.21")
        for branch in head.cv3:
            torch.nn.init.constant_(branch[-1].bias, float(torch.logit(torch.tensor(score))))
    torch.save({"model": network, "train_args": {"imgsz": imgsz}}, path)
    return path
