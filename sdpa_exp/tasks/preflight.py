"""Before training: can the arms run here, which kernel will each run, and do two of them turn out to be the same?"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.pytorch_kernels import expected_kernel
from sdpa_exp.attention.registry import check, get_backend, nearest, refusal
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import BackendUnavailable
from sdpa_exp.evidence.kernel_names import same_kernels
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.checkpoint import load_network, transfer, widen_position_convolutions
from sdpa_exp.injection.determinism import reasons_against_strict
from sdpa_exp.injection.fit import check_sizes, training_sizes
from sdpa_exp.injection.inject import no_layers
from sdpa_exp.injection.layers import find_layers, settings_of
from sdpa_exp.tasks.auto_attention import resolve_auto
from sdpa_exp.tasks.hardware import base_setting

_CHECKPOINT_BYTES = 2 * 2  # best.pt and last.pt have every weight in half precision


@dataclass(frozen=True, kw_only=True)
class ArmCheck:
    """What preflight found for one arm: reasons against it (empty when it can run), and the kernel of each layer.

    `fused` is a backend that runs a fused kernel where PyTorch would choose math. `num_weights` are the model's.
    """

    arm: str
    backend: str
    reasons: tuple[str, ...]
    kernels: tuple[str | None, ...]
    nearest: str | None
    copy_of: str | None = None
    fused: str | None = None
    num_weights: int = 0

    def advice(self) -> str | None:
        """What to take in the place of math, PyTorch's slowest; None where it is not chosen, or nothing else runs."""
        if self.fused is None:
            return None
        num = sum(kernel == "math" for kernel in self.kernels)
        return (
            f"attention={self.arm} leaves the kernel to PyTorch, which takes math, its slowest, at {num} of "
            f"{len(self.kernels)} layers: their q and k have another head_dim than v. attention={self.fused} pads them "
            "and runs a fused kernel."
        )

    @property
    def kernel(self) -> str | None:
        """The kernels of all layers in words; None where that can't be said beforehand."""
        return " and ".join(sorted({kernel for kernel in self.kernels if kernel})) or None

    def sentence(self) -> str:
        """Why it can't run, and what would."""
        return refusal(self.arm, list(self.reasons), nearest=self.nearest)


def check_arm(plan: Plan, network: nn.Module | None = None) -> ArmCheck:
    """Check one plan's backend against its model, device and precision.

    Raises:
        InjectionError: the model has no attention layers.
        ConfigError: the image size does not fit the areas of a layer.
    """
    network = build_network(plan.model.architecture) if network is None else network
    layers = find_layers(network)
    if not layers:
        raise no_layers(network, f"model={plan.model.name}")
    check_sizes(network, training_sizes(plan.imgsz, plan.train.multi_scale), key="train.imgsz")
    settings = settings_of(layers, base_setting(plan))
    backend = plan.attention.backend
    reasons = check(backend, *settings)
    strict = reasons_against_strict(network, base_setting(plan).device_type) if plan.determinism == "strict" else []
    chosen = resolve_auto(plan, network).backends if backend == AUTO_NAME and not strict else {}
    kernels: tuple[str | None, ...] = ()
    if not reasons:
        names = [get_backend(chosen.get(layer.name, backend)) for layer in layers]
        kernels = tuple(expected_kernel(each, setting) for each, setting in zip(names, settings, strict=True))
    is_uneven = any(layer.head_dim_qk != layer.head_dim_v for layer in layers)
    return ArmCheck(
        arm=plan.arm,
        backend=backend,
        reasons=(*reasons, *strict),
        kernels=kernels,
        fused=nearest(settings) if backend == "sdpa" and is_uneven and "math" in kernels else None,
        nearest=nearest(settings) if reasons and not strict else None,
        copy_of=plan.attention.copy_of,
        num_weights=sum(parameter.numel() for parameter in network.parameters()),
    )


def disk_warning(num_weights: Sequence[int], folder: Path) -> str | None:
    """Says that the checkpoints of these trainings won't fit on the folder's disk; None where they will."""
    needed, free = _CHECKPOINT_BYTES * sum(num_weights), shutil.disk_usage(folder).free
    if needed < free:
        return None
    return (
        f"disk: {len(num_weights)} trainings leave about {needed / 2**30:.1f} GiB of checkpoints, and {folder} has "
        f"{free / 2**30:.1f} GiB free. A full disk ends the runs that it meets; those before it stay, and resume= goes "
        "on. Make room, or set hydra.sweep.dir to another disk."
    )


def check_weights(plan: Plan, num_classes: int) -> None:
    """Refuse weights that a training can't start from: the trainer would do so in each job of a sweep.

    Raises:
        ConfigError: they are another model's.
        RunError: they can't be loaded.
    """
    if plan.model.weights is None or not load_task(plan).trains:
        return
    given, _ = load_network(plan.model.weights, is_trusted=plan.model.trust_weights)
    widen_position_convolutions(given)
    transfer(build_network(plan.model.architecture, num_classes), given, plan.model.weights)


def require_backend(plan: Plan) -> ArmCheck:
    """Refuse a plan whose backend can't run here.

    Raises:
        BackendUnavailable: with all reasons, and the nearest backend that runs.
    """
    found = check_arm(plan)
    if found.reasons:
        raise BackendUnavailable(found.sentence())
    return found


def same_kernel(checks: list[ArmCheck]) -> list[list[str]]:
    """Groups of arms that will run the same kernel at every layer.

    Explicit softmax is left out, since stock and eager differ in layout; an A/A copy is meant to be the same.
    """
    able = [found for found in checks if not found.reasons and found.copy_of is None]
    return same_kernels({each.arm: comparable(each.kernels) for each in able})


def comparable(kernels: tuple[str | None, ...]) -> tuple[str | None, ...] | None:
    """An arm's kernels at every layer; None where one is not known, or explicit softmax, whose layouts differ."""
    return None if {None, "softmax"} & set(kernels) else kernels


def to_dict(found: ArmCheck) -> dict[str, Any]:
    """For sweep.json."""
    return {
        "arm": found.arm,
        "backend": found.backend,
        "reasons": list(found.reasons),
        "kernel": found.kernel,
        "sentence": found.sentence() if found.reasons else None,
    }
