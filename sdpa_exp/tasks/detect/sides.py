"""The models that look at every frame: one, or two side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import BackendUnavailable, RunError
from sdpa_exp.injection.fit import check_sizes
from sdpa_exp.tasks.detect import Detect
from sdpa_exp.tasks.latency.agreement import boxes_of
from sdpa_exp.tasks.latency.arm import Arm, Options, Stages
from sdpa_exp.tasks.latency.detector import load_weights
from sdpa_exp.tasks.latency.setups import prepare_arm, reasons_against
from sdpa_exp.tasks.latency.source import Batch


@dataclass(kw_only=True)
class Side:
    """One model with one attention; `stages` grows with every batch, `executed` is known in the end."""

    label: str
    weights: str
    attention: str
    arm: Arm
    stages: list[Stages]
    num_boxes: int = 0
    executed: dict[str, dict[str, int]] = field(default_factory=dict)

    def look(self, batch: Batch) -> list[Any]:
        """Ultralytics' Results of a batch."""
        stages, results = self.arm.predict(batch)
        self.stages.append(stages)
        self.num_boxes += sum(len(boxes_of(result)) for result in results)
        return results


def build_sides(plan: Plan) -> list[Side]:
    """The model of `detect.weights` with the plan's arm, then the other where there is one.

    Raises:
        BackendUnavailable: an arm can't predict here.
        RunError: weights that can't be loaded, two that are for different purposes, or a format that theirs has not.
    """
    options = Detect.of(plan)
    weights = str(options.weights or plan.model.weights)
    wanted = [("detect.weights" if options.weights else "model.weights", weights, plan.arm)]
    if options.other_weights or options.other_arm:
        other = options.other_arm or plan.arm
        wanted.append(("detect.other_weights", options.other_weights or weights, other.rpartition(":")[2]))
    labels = _labels([(each, arm) for _, each, arm in wanted])
    backends = [plan.attention.backend, plan.backend_of(options.other_arm or plan.arm)]
    sides = [
        Side(label=label, weights=each, attention=arm, arm=_build(plan, each, key, backend), stages=[])
        for label, (key, each, arm), backend in zip(labels, wanted, backends, strict=False)
    ]
    purposes = [side.arm.purpose for side in sides]
    if len(set(purposes)) > 1:
        raise RunError(
            f"detect.other_weights={options.other_weights} is for {purposes[1]}, and {weights} for {purposes[0]}: "
            "expected two models of one purpose, whose finds can be compared. Look with one after the other."
        )
    if purposes[0] == "classify" and "coco" in options.save:
        raise RunError(
            f"detect.save asks for coco, which has no boxes to write: {weights} classifies whole images, and COCO's "
            "format is of objects in them. Take coco out; csv and txt have the best classes."
        )
    return sides


def _labels(pairs: list[tuple[str, str]]) -> list[str]:
    """The arms where those differ, else the files, else both."""
    arms = [arm for _, arm in pairs]
    if len(set(arms)) == len(pairs) and len({weights for weights, _ in pairs}) == 1:
        return arms
    parts = [Path(weights).parts for weights, _ in pairs]
    depth = next((n for n in range(1, 9) if len({part[-n:] for part in parts}) == len(parts)), 1)
    names = ["/".join(part[-depth:]).removesuffix(".pt") for part in parts]
    return [f"{name} {arm}" if len(set(arms)) > 1 else name for name, arm in zip(names, arms, strict=True)]


def _build(plan: Plan, weights: str, key: str, backend: str) -> Arm:
    options = Detect.of(plan)
    network, trained_at = load_weights(weights, key=key, is_trusted=plan.model.trust_weights)
    imgsz = options.imgsz or trained_at
    check_sizes(network, [(imgsz, imgsz)], key="detect.imgsz")
    device = torch.device(plan.hardware.device)
    network = network.to(device)
    precision = "fp16" if device.type == "cuda" and plan.hardware.precision == "fp16" else "fp32"
    reasons = reasons_against(plan, backend, precision, network)
    if reasons:
        raise BackendUnavailable(
            f"attention={backend} can't predict here: {'; '.join(reasons)}. Choose attention=sdpa, which runs "
            "anywhere; see task=doctor."
        )
    settings = Options(
        device=device, imgsz=imgsz, precision=precision, conf=options.conf, iou=options.iou, run_dir=plan.run_dir
    )
    return prepare_arm(plan, network, backend, settings, batch=options.batch)
