"""Layers that can't take a backend: with dropout inside the product, or other mathematics than their looks promise."""

from __future__ import annotations

import copy

import torch
from torch import nn

from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.errors import InjectionError
from sdpa_exp.injection.dispatch import stock_forward
from sdpa_exp.injection.families import Family
from sdpa_exp.injection.layers import Layer, family_of

_TOLERANCE = 1e-9  # relative, in fp64: rounding is 1e-15


def refuse_unfit(layers: list[Layer]) -> None:
    """Refuse layers whose own computation a backend would change.

    Raises:
        InjectionError: names the first such layer and what it does.
    """
    for layer in layers:
        family = family_of(layer.module)
        assert family is not None
        dropout = family.dropout(layer.module)
        if dropout:
            raise InjectionError(
                f"{layer.name} drops attention weights with probability {dropout}, which no backend does: expected 0. "
                "Set its dropout to 0, or use attention=stock."
            )
        if family.proof is not None and not _equals_stock(layer.module, family, family.proof(layer.module)):
            raise InjectionError(
                f"{layer.name} ({type(layer.module).__name__}) looks like {family.name} and computes something else: "
                "its own forward differs from softmax(q k^T / sqrt(d)) v between its two Linears. It can't take a "
                "backend; use attention=stock."
            )


def _equals_stock(module: nn.Module, family: Family, shapes: tuple[tuple[int, ...], ...]) -> bool:
    """Whether the family's forward gives what the module's own gives, in fp64 on random inputs of these shapes."""
    probe = copy.deepcopy(module).eval().double().cpu()
    generator = torch.Generator().manual_seed(0)
    x_BNC, *others = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    with torch.no_grad():
        try:
            own = stock_forward(type(module))(probe, x_BNC, *others)
        except Exception:  # noqa: BLE001 - a forward of somebody else's that takes no tokens, such as one of pictures
            return False
        ours = family.forward(probe, x_BNC, explicit_attention, *others)
    if own.shape != ours.shape:
        return False
    return float((own - ours).abs().max()) <= _TOLERANCE * float(own.abs().max())
