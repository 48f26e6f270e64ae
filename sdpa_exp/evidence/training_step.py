"""Evidence of one training step of a model on images, in the precision that training would have."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from sdpa_exp.attention.precision import DTYPES, autocast_to
from sdpa_exp.evidence.attest import LayerEvidence, attest_call, total_of


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
        with autocast_to(DTYPES[precision], images.device.type):
            out = model(images)
        torch.autograd.backward(total_of(out))

    return attest_call(model, step, stage=precision, backward=True, dtype=precision)
