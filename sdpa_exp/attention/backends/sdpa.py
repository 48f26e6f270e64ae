"""PyTorch's scaled_dot_product_attention, left free: where q and k have another head_dim than v, it may choose math."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sdpa_exp.attention.backend import FUSED_OR_MATH, Backend
from sdpa_exp.attention.pytorch_kernels import use_flash_impl
from sdpa_exp.attention.requirements import ANYWHERE


def sdpa(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
    """PyTorch's own choice of kernel, whatever it is on this device, dtype and shape."""
    use_flash_impl(None)
    return F.scaled_dot_product_attention(q_BHND, k_BHND, v_BHND, scale=scale)


BACKEND = Backend(
    name="sdpa",
    summary="PyTorch's scaled_dot_product_attention with the kernel that PyTorch chooses",
    function=sdpa,
    kernels=FUSED_OR_MATH,
    requirements=ANYWHERE,
    executed_on=frozenset({"cpu"}),
)
