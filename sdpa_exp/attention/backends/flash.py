"""PyTorch's built-in flash kernel, pinned; not the flash-attn package, which is flash_attn.py."""

from __future__ import annotations

from torch.nn.attention import SDPBackend

from sdpa_exp.attention.precision import HALVES
from sdpa_exp.attention.pytorch_kernels import pinned
from sdpa_exp.attention.requirements import FLOATS, Requirements

BACKEND = pinned(
    SDPBackend.FLASH_ATTENTION,
    name="flash",
    summary="PyTorch's built-in flash kernel (not the flash-attn package)",
    requirements=Requirements(
        dtypes={"cuda": HALVES, "cpu": FLOATS},
        min_capability=(8, 0),
        max_head_dim=256,
        compiles=True,
    ),
    pads=True,
    executed_on=frozenset({"cpu"}),
)
