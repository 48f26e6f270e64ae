"""Evidence of one training step of a model on images, in the precision that training would have."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from sdpa_exp.evidence.attest import LayerEvidence, attest_call
from sdpa_exp.evidence.layer_run import autocast_to

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def attest_training_step(network: nn.Module, images: Tensor, *, precision: str) -> list[LayerEvidence]:
    """Which kernels ran at each layer, forward and backward, under autocast where the precision is a half.

    Args:
        network: with its backend injected; a copy is used.
        images: (B, 3, H, W) on the network's device.
        precision: fp32, bf16 or fp16; also what the operands must have.
    """
    model = copy.deepcopy(network).train()
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point())

    def step() -> None:
        with autocast_to(_DTYPES[precision], images.device.type):
            out = model(images)
        torch.autograd.backward(_total(out))

    return attest_call(model, step, stage=precision, backward=True, dtype=precision)


def _total(out: Any) -> Tensor:
    """The sum of all floating-point outputs of a forward in training mode."""
    if isinstance(out, Tensor):
        return out.float().sum() if out.is_floating_point() else torch.zeros(())
    parts = list(out.values()) if isinstance(out, dict) else list(out) if isinstance(out, list | tuple) else []
    return sum((_total(part) for part in parts), torch.zeros(()))
