"""xFormers' memory-efficient attention, pinned to its FlashAttention 2 operation.

Never run by the authors. Source: xformers 0.0.35, ops/fmha/flash.py: operations xformers_flash::flash_fwd and
flash_bwd. Without the flash-attn package it calls PyTorch's own flash kernel inside, so that on such a machine this arm
and `flash` are one kernel in two wrappers; its other kernel, CUTLASS, is PyTorch's `efficient`.
"""

from __future__ import annotations

from torch import Tensor, bfloat16, float16

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.padding import PaddedToOneHeadDim
from sdpa_exp.attention.precision import HALVES
from sdpa_exp.attention.requirements import Package, Requirements


def xformers(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
    """The package's product; it wants tokens before heads: the transposes are views."""
    from xformers.ops import fmha  # type: ignore[import-not-found]

    out_BNHD: Tensor = fmha.memory_efficient_attention(
        q_BHND.transpose(1, 2),
        k_BHND.transpose(1, 2),
        v_BHND.transpose(1, 2),
        scale=scale,
        op=(fmha.flash.FwOp, fmha.flash.BwOp),
    )
    return out_BNHD.transpose(1, 2)


BACKEND = Backend(
    name="xformers",
    summary="xFormers' memory-efficient attention, its FlashAttention 2 operation",
    function=PaddedToOneHeadDim(function=xformers),
    kernels=frozenset({"xformers"}),
    requirements=Requirements(
        dtypes={"cuda": HALVES},
        min_capability=(8, 0),
        max_head_dim=256,
        head_dim_multiple={float16: 8, bfloat16: 8},
        backward_deterministic=False,
        packages=(Package(name="xformers", min_version="0.0.35", install="pip install xformers"),),
    ),
)
