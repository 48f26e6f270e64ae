"""Which cases a benchmark has: every level at every size, cheap ones first, and what can't be set up, with reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import ConfigError
from sdpa_exp.injection.fit import check_sizes
from sdpa_exp.measure.out_of_memory import is_out_of_memory
from sdpa_exp.tasks.bench import LEVELS, Bench
from sdpa_exp.tasks.bench.case import Arms, Case, describe_failure, free_memory
from sdpa_exp.tasks.bench.kinds import Kind, kinds_of, with_dispatchers
from sdpa_exp.tasks.bench.model import model_case, module_cases
from sdpa_exp.tasks.bench.op import PUBLISHED_GRID, op_cases
from sdpa_exp.tasks.network import build

NUM_CLASSES = 80  # COCO's: the head is part of a step
_SETTLING_PX = 256
_BATCH = {"cuda": 16, "cpu": 2}


def all_cases(plan: Plan, arms: Arms, device: torch.device) -> tuple[list[Case], list[dict[str, Any]]]:
    """All cases, whole training steps first and cheap ones first in each level; and what can't be set up, and why."""
    options = Bench.of(plan)
    precisions = options.precisions or [plan.hardware.precision or "fp32"]
    cases: list[Case] = []
    dropped: list[dict[str, Any]] = []
    if "op" in options.all_levels:
        shapes = PUBLISHED_GRID if options.op_shapes is None else [tuple(shape) for shape in options.op_shapes]
        for precision in precisions:
            cases += op_cases(plan, arms, shapes, precision=precision, device=device)
    if {"module", "inference", "step"} & set(options.all_levels):
        network = _network(plan, device)
        for precision in precisions:
            grid = _ModelGrid(plan=plan, arms=arms, network=network, precision=precision, device=device)
            cases += grid.cases()
            dropped += grid.dropped
    return sorted(cases, key=lambda case: (LEVELS.index(case.level), case.work)), dropped


@dataclass(frozen=True, kw_only=True)
class _ModelGrid:
    """The cases of one model in one precision."""

    plan: Plan
    arms: Arms
    network: nn.Module
    precision: str
    device: torch.device
    dropped: list[dict[str, Any]] = field(default_factory=list)

    def cases(self) -> list[Case]:
        """Every size and batch of the levels asked for."""
        options = Bench.of(self.plan)
        batches = options.batches or [_BATCH.get(self.device.type, 2)]
        sizes = {"module": batches, "inference": options.inference_batches, "step": batches}
        return [
            case
            for imgsz in options.imgsz
            for level in sizes
            if level in options.all_levels
            for batch in sizes[level]
            for case in self._at(level, imgsz, batch)
        ]

    def _at(self, level: str, imgsz: int, batch: int) -> list[Case]:
        """The cases of one size; none where it can't work."""
        kinds, reason = self._kinds(imgsz, batch)
        if reason is not None:
            head = {"level": level, "name": f"{imgsz} px b{batch}", "precision": self.precision}
            self.dropped.append({**head, "imgsz": imgsz, "batch": batch, "reason": reason})
            return []
        common: dict[str, Any] = {"imgsz": imgsz, "batch": batch, "precision": self.precision}
        if level == "module":
            return module_cases(self.plan, self.arms, kinds, **common)
        return [
            model_case(self.plan, self.arms, self.network, kinds, level=level, device=self.device, **common),
        ]

    def _kinds(self, imgsz: int, batch: int) -> tuple[list[Kind], str | None]:
        """The kinds of layers with what reaches them, or why nothing can."""
        strides = getattr(self.network, "stride", None)
        stride = int(max(strides.tolist())) if isinstance(strides, torch.Tensor) else 1
        if imgsz % stride:
            up = -(-imgsz // stride) * stride
            return [], f"{imgsz} px is not a multiple of the model's stride {stride}: try {up}"
        try:
            check_sizes(self.network, [(imgsz, imgsz)], key="bench.imgsz")
        except ConfigError as error:
            return [], str(error)
        try:
            found = kinds_of(self.network, imgsz=imgsz, batch=batch, precision=self.precision, device=self.device)
        except ConfigError as error:
            return [], str(error)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            free_memory(self.device)
            return [], f"batch {batch} at {imgsz} px: {describe_failure(error)}"
        return found, None


def _network(plan: Plan, device: torch.device) -> nn.Module:
    """One model for all cases and arms."""
    images = torch.rand(2, 3, _SETTLING_PX, _SETTLING_PX, generator=torch.Generator().manual_seed(0))
    network = build(plan, num_classes=NUM_CLASSES, weights=plan.model.weights, images=images).to(device)
    if plan.hardware.channels_last:
        network = network.to(memory_format=torch.channels_last)
    return with_dispatchers(network)
