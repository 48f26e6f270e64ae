"""Explicit softmax attention in our layout: the mathematics of stock, the memory layout of the fused backends.

stock against eager shows the effect of the layout; eager against a fused backend shows the effect of the kernel.
"""

from __future__ import annotations

from torch import Tensor

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.requirements import ANYWHERE


def explicit_attention(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
    """softmax(q k^T * scale) v, with the (B, H, N, N) weights written to memory."""
    weights_BHNN = ((q_BHND * scale) @ k_BHND.transpose(-2, -1)).softmax(dim=-1)
    return weights_BHNN @ v_BHND


BACKEND = Backend(
    name="eager",
    summary="explicit matmul, softmax, matmul in the fused backends' layout",
    function=explicit_attention,
    kernels=frozenset({"softmax"}),
    requirements=ANYWHERE,
    executed_on=frozenset({"cpu"}),
)
