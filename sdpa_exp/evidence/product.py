"""The attention product by itself, on the operands that a layer really makes: where a wrong scale shows most.

In the output of a whole layer a scale that is off by a thousandth drowns in the roundings of the convolutions around.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sdpa_exp.attention.backend import Backend, BackendFunction
from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.attention.precision import HALVES
from sdpa_exp.evidence.error_model import Rounding
from sdpa_exp.evidence.layer_run import Values, upstream_like

PRODUCT_PARTS = ("product", "grad_q", "grad_k", "grad_v")


@dataclass(frozen=True, kw_only=True)
class Computations:
    """The same thing computed in several ways: tested, true, true with roundings put in, and plain by memory format.

    `explained` has the roundings of what is tested, `plain_explained` those of the plain computation.
    """

    truth: Values
    explained: Values
    plain_explained: Values
    tested: Values
    plain: dict[str, Values]


def compare_product(
    backend: Backend, operands: tuple[Tensor, Tensor, Tensor], scale: float, dtype: torch.dtype
) -> Computations:
    """The product and its gradients.

    A kernel that is known to be fused has to be as accurate as such kernels are: in a half precision, explicit
    attention writes scores of 200 with an error of 0.4, which explains almost any result; a fused kernel has no such
    excuse. What isn't known to be fused is judged as explicit attention.

    Args:
        backend: with a function.
        operands: q, k, v with the strides that the layer gives them.
        scale: the right one.
        dtype: of the computation.
    """
    assert backend.function is not None
    q, k, v = (x.detach().to(dtype) for x in operands)
    rounded, exact = (q, k, v), (q.double(), k.double(), v.double())
    with Rounding(dtype, seed=0):
        explicit = _run(explicit_attention, exact, scale, dtype)
    is_fused = backend.is_fused and dtype in HALVES
    return Computations(
        truth=_run(explicit_attention, exact, scale, dtype),
        explained=_fused(*exact, scale, dtype) if is_fused else explicit,
        plain_explained=explicit,
        tested=_run(backend.function, rounded, scale, dtype),
        plain={"as given": _run(explicit_attention, rounded, scale, dtype)},
    )


def _run(function: BackendFunction, operands: tuple[Tensor, ...], scale: float, dtype: torch.dtype) -> Values:
    q, k, v = (x.detach().requires_grad_() for x in operands)
    out = function(q, k, v, scale)
    if out.requires_grad:
        out.backward(upstream_like(out, dtype))
    grads = [torch.zeros_like(x) if x.grad is None else x.grad for x in (q, k, v)]
    return {name: [x.detach().double()] for name, x in zip(PRODUCT_PARTS, (out, *grads), strict=True)}


def _fused(q: Tensor, k: Tensor, v: Tensor, scale: float, dtype: torch.dtype) -> Values:
    """What a half precision explains in a fused kernel, forward and backward.

    The steps of FlashAttention-2 (Dao, 2023, algorithms 1 and 2), which other kernels share: scores and weights
    in fp32, weights rounded for their products, the sum of out * grad from the out that was written.
    """
    with Rounding(dtype, seed=0, is_one_kernel=True) as kernel:
        weights = ((q @ k.transpose(-2, -1)) * scale).softmax(dim=-1)
        out = kernel.stored(weights @ v)
        grad = upstream_like(out, dtype)
        grad_scores = weights * (grad @ v.transpose(-2, -1) - (grad * out).sum(dim=-1, keepdim=True))
        grads = (
            (grad_scores @ k) * scale,
            (grad_scores.transpose(-2, -1) @ q) * scale,
            weights.transpose(-2, -1) @ grad,
        )
        written = (out, *(kernel.stored(each) for each in grads))
    return {name: [x] for name, x in zip(PRODUCT_PARTS, written, strict=True)}
