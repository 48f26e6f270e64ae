"""FlashAttention 4 in the place of PyTorch's flash kernel, through PyTorch's registry; Hopper and Blackwell.

Never run by the authors. Sources: torch/nn/attention/_fa4.py (2.11 to 2.15), which asks for compute capability 9 or 10
and the module flash_attn.cute.interface; flash-attn-4 4.0.0b36, which takes head_dim from 8 to 128, a multiple of 8, on
both. The operation that PyTorch records is that of its own flash kernel; the proof is the name of the device kernel
(evidence/kernel_names.py).
"""

from __future__ import annotations

from torch import bfloat16, float16
from torch.nn.attention import SDPBackend

from sdpa_exp.attention.precision import HALVES
from sdpa_exp.attention.pytorch_kernels import pinned
from sdpa_exp.attention.requirements import Package, Requirements

BACKEND = pinned(
    SDPBackend.FLASH_ATTENTION,
    name="flash4",
    summary="FlashAttention 4 through PyTorch's registry, on Hopper and Blackwell",
    flash_impl="FA4",
    pads=True,
    requirements=Requirements(
        dtypes={"cuda": HALVES},
        min_capability=(9, 0),
        max_capability_major=10,
        max_head_dim=128,
        head_dim_multiple={float16: 8, bfloat16: 8},
        packages=(Package(name="flash-attn-4", min_version="4.0", install="pip install --pre flash-attn-4"),),
    ),
)
