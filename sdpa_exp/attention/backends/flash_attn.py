"""The flash-attn package (FlashAttention 2), which is another build than PyTorch's own flash kernel.

Never executed by the authors: it needs a CUDA GPU from sm80 on. Written after the package's documentation (2.8):
layout (B, N, H, D), fp16 and bf16, head_dim a multiple of 8 up to 256, backward deterministic only when told.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.padding import PaddedToOneHeadDim
from sdpa_exp.attention.precision import HALVES
from sdpa_exp.attention.requirements import Package, Requirements


def flash_attn(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
    """The package's product; it wants tokens before heads, and so do our layouts: the transposes are views."""
    from flash_attn import flash_attn_func  # type: ignore[import-not-found]

    out_BNHD: Tensor = flash_attn_func(
        q_BHND.transpose(1, 2),
        k_BHND.transpose(1, 2),
        v_BHND.transpose(1, 2),
        softmax_scale=scale,
        deterministic=torch.are_deterministic_algorithms_enabled(),
    )
    return out_BNHD.transpose(1, 2)


BACKEND = Backend(
    name="flash_attn",
    summary="the flash-attn package (FlashAttention 2), not PyTorch's built-in flash",
    function=PaddedToOneHeadDim(function=flash_attn),
    kernels=frozenset({"flash_attn"}),
    requirements=Requirements(
        dtypes={"cuda": HALVES},
        min_capability=(8, 0),
        max_head_dim=256,
        head_dim_multiple={torch.float16: 8, torch.bfloat16: 8},
        packages=(
            Package(
                name="flash-attn",
                min_version="2.7",
                install="pip install flash-attn --no-build-isolation (a wheel that matches torch and CUDA, or nvcc)",
            ),
        ),
    ),
)
