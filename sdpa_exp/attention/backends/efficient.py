"""PyTorch's memory-efficient kernel (CUTLASS), pinned."""

from __future__ import annotations

from torch import bfloat16, float16, float32, float64
from torch.nn.attention import SDPBackend

from sdpa_exp.attention.pytorch_kernels import pinned
from sdpa_exp.attention.requirements import FLOATS, Requirements

BACKEND = pinned(
    SDPBackend.EFFICIENT_ATTENTION,
    name="efficient",
    summary="PyTorch's memory-efficient kernel (CUTLASS)",
    requirements=Requirements(
        dtypes={"cuda": FLOATS - {float64}},
        min_capability=(5, 0),
        min_capability_bf16=(8, 0),
        head_dim_multiple={float32: 4, float16: 8, bfloat16: 8},
        compiles=True,
    ),
)
