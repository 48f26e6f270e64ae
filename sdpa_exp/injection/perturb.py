"""Moves initial weights by one ulp: the smallest change that a run of the same arm can have.

A repeated CPU training is bit-equal and so has no spread; from weights that differ in their last bit, two runs of one
arm drift apart as far as rounding alone takes them, which is the noise floor of whatever they learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """What was moved: values by one ulp, out of all trainable ones. Zeros stay, since their neighbours are denormal."""

    num_moved: int
    num_values: int
    seed: int


@torch.no_grad()
def perturb(model: nn.Module, *, seed: int) -> Perturbation:
    """Move every trainable value that is not 0 one ulp up or down, at random, without touching global random state."""
    generator = torch.Generator().manual_seed(seed)
    num_moved = num_values = 0
    for parameter in model.parameters():
        if not parameter.requires_grad:  # constants of an architecture, such as the bins of YOLO's box head
            continue
        is_up = torch.randint(0, 2, parameter.shape, generator=generator, dtype=torch.bool).to(parameter.device)
        towards = torch.where(is_up, torch.inf, -torch.inf).to(parameter.dtype)
        moves = parameter != 0
        parameter.copy_(torch.where(moves, torch.nextafter(parameter, towards), parameter))
        num_moved += int(moves.sum())
        num_values += parameter.numel()
    return Perturbation(num_moved=num_moved, num_values=num_values, seed=seed)
