"""The model, its real batch and the two cases (a training step, an inference) that all processes measure alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.pytorch_kernels import expected_kernel
from sdpa_exp.attention.registry import get_backend
from sdpa_exp.config.plan import Plan
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.data.real_batch import real_batch
from sdpa_exp.evidence.kernel_names import same_kernels
from sdpa_exp.injection.inject import Choices
from sdpa_exp.tasks.answer import Answer
from sdpa_exp.tasks.auto_attention import resolve_auto
from sdpa_exp.tasks.bench.arms import FLOOR, arms_of, bench_setting
from sdpa_exp.tasks.bench.case import Arms, Case
from sdpa_exp.tasks.bench.kinds import Kind, kinds_of, with_dispatchers
from sdpa_exp.tasks.bench.model import model_case
from sdpa_exp.tasks.hardware import set_up_process
from sdpa_exp.tasks.network import build
from sdpa_exp.tasks.preflight import comparable

BY_IMAGE = ("masks", "sem_masks")
"""Labels of which an image has one, with all of its objects."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is measured.

    Attributes:
        network: in fp32 with dispatchers, in the memory format of the plan.
        batch: `hardware.batch` images of the val split with their labels, repeated where there are fewer.
        kinds: of attention layers, with their shapes.
        choices: of the arm auto; None without it.
    """

    plan: Plan
    prepared: PreparedDataset
    device: torch.device
    network: nn.Module
    batch: dict[str, Any]
    kinds: list[Kind]
    choices: Choices | None

    def case(self, level: str, arms: Arms) -> Case:
        """The training step, or the inference, of these arms."""
        is_step = level == "step"
        size = (self.plan.hardware.batch_size or 1) if is_step else Answer.of(self.plan).inference_batch
        return model_case(
            self.plan,
            arms,
            self.network,
            self.kinds,
            level=level,
            imgsz=self.plan.imgsz,
            batch=size,
            precision=self.plan.hardware.precision or "fp32",
            device=self.device,
            data=self.batch if is_step else {"img": self._images(size)},
            choices=self.choices,
        )

    def _images(self, number: int) -> torch.Tensor:
        images: torch.Tensor = self.batch["img"]
        return images[torch.arange(number) % len(images)]


def set_up(plan: Plan, arms: Arms) -> Setup:
    """Build the model and load a real batch; the same in every process.

    Raises:
        ConfigError: the image size does not fit the model.
        DatasetError: the data can't be loaded.
        InjectionError: the model has no attention layers.
    """
    device = torch.device(plan.hardware.device)
    set_up_process(plan)
    prepared = prepare(plan.dataset, purpose=plan.purpose)
    size = plan.hardware.batch_size or 1
    found = real_batch(prepared.yaml_path, imgsz=plan.imgsz, num_images=size, device=device, purpose=plan.purpose.name)
    batch = _repeated(found, size)
    network: Any = build(
        plan,
        num_classes=len(prepared.class_names),
        weights=plan.model.weights,
        images=batch["img"],
        keypoints=prepared.keypoints,
    ).to(device)
    if plan.hardware.channels_last:
        network = network.to(memory_format=torch.channels_last)
        batch["img"] = batch["img"].contiguous(memory_format=torch.channels_last)
    network = with_dispatchers(network)
    return Setup(
        plan=plan,
        prepared=prepared,
        device=device,
        network=network,
        batch=batch,
        kinds=kinds_of(network, imgsz=plan.imgsz, batch=1, precision=plan.hardware.precision or "fp32", device=device),
        choices=resolve_auto(plan, network).backends if AUTO_NAME in arms.values() else None,
    )


def _repeated(batch: dict[str, Any], number: int) -> dict[str, Any]:
    """A batch of so many images, in which those of a smaller data set come again, with their labels."""
    have = len(batch["img"])
    keys = [key for key in ("img", "cls", "bboxes", "batch_idx", *BY_IMAGE, "keypoints") if key in batch]
    index = batch.get("batch_idx", torch.arange(have))  # of each label; a class is of its image
    parts = [{key: batch[key] for key in keys} | {"batch_idx": index + start} for start in range(0, number, have)]
    whole = {key: torch.cat([part[key] for part in parts]) for key in dict.fromkeys([*keys, "batch_idx"])}
    kept = whole["batch_idx"] < number
    return {key: values[:number] if key in ("img", *BY_IMAGE) else values[kept] for key, values in whole.items()}


@dataclass(frozen=True, kw_only=True)
class Found:
    """The arms that can train here by label, why others can't, and arms that are one and the same: copy -> arm."""

    arms: dict[str, str]
    refused: dict[str, str]
    same_as: dict[str, str]


def named_arms(plan: Plan) -> tuple[Arms, dict[str, str]]:
    """All arms that are asked for, by label, and those left out with the reason."""
    arms, left_out = arms_of(plan, Answer.of(plan).arms, key="answer.arms")
    if Answer.of(plan).arms is None:
        arms = {label: name for label, name in arms.items() if name != FLOOR}
    return arms, left_out


def arms_here(setup: Setup, asked: Arms, left_out: Mapping[str, str]) -> Found:
    """Of the arms asked for, those that can train here; of arms with one kernel one, unless they were named."""
    refused = {**setup.case("step", asked).refused}
    able = {label: name for label, name in asked.items() if label not in refused}
    same_as = {} if Answer.of(setup.plan).arms is not None else _same_kernel(setup, able)
    return Found(
        arms={label: name for label, name in able.items() if label not in same_as},
        refused={**left_out, **refused},
        same_as=same_as,
    )


def _same_kernel(setup: Setup, arms: Arms) -> dict[str, str]:
    """Arm -> the arm that runs the same kernels at every layer."""
    order = sorted(arms, key=lambda label: label != "sdpa")  # what PyTorch chooses stands for the pinned kernel
    kernels = {label: comparable(tuple(_kernel(setup, arms[label], kind) for kind in setup.kinds)) for label in order}
    groups = same_kernels(kernels)
    return {label: first for first, *others in groups for label in others if label != setup.plan.baseline}


def _kernel(setup: Setup, name: str, kind: Kind) -> str | None:
    if name == AUTO_NAME:
        return None
    precision = setup.plan.hardware.precision or "fp32"
    setting = bench_setting(setup.plan, precision, kind.shape, needs_grad=True)
    return expected_kernel(get_backend(name), setting)
