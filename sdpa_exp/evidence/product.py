"""The attention product by itself, on the operands that a layer really makes: where a wrong scale shows most.

In the output of a whole layer a scale that is off by a thousandth drowns in the roundings of the convolutions around.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sdpa_exp.attention.backend import BackendFunction
from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.evidence.error_model import Rounding
from sdpa_exp.evidence.layer_run import Values, upstream_like

PRODUCT_PARTS = ("product", "grad_q", "grad_k", "grad_v")


@dataclass(frozen=True, kw_only=True)
class Computations:
    """The same thing computed in several ways: tested, true, true with roundings put in, and plain by memory format."""

    truth: Values
    explained: Values
    tested: Values
    plain: dict[str, Values]


def compare_product(
    function: BackendFunction, operands: tuple[Tensor, Tensor, Tensor], scale: float, dtype: torch.dtype
) -> Computations:
    """The product and its gradients.

    Args:
        function: the backend.
        operands: q, k, v with the strides that the layer gives them.
        scale: the right one.
        dtype: of the computation.
    """
    rounded = tuple(x.detach().to(dtype) for x in operands)
    exact = tuple(x.double() for x in rounded)
    with Rounding(dtype, seed=0):
        explained = _run(explicit_attention, exact, scale, dtype)
    return Computations(
        truth=_run(explicit_attention, exact, scale, dtype),
        explained=explained,
        tested=_run(function, rounded, scale, dtype),
        plain={"as given": _run(explicit_attention, rounded, scale, dtype)},
    )


def _run(function: BackendFunction, operands: tuple[Tensor, ...], scale: float, dtype: torch.dtype) -> Values:
    q, k, v = (x.detach().requires_grad_() for x in operands)
    out = function(q, k, v, scale)
    if out.requires_grad:
        out.backward(upstream_like(out, dtype))
    grads = [torch.zeros_like(x) if x.grad is None else x.grad for x in (q, k, v)]
    return {name: [x.detach().double()] for name, x in zip(PRODUCT_PARTS, (out, *grads), strict=True)}
