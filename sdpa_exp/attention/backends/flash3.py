"""FlashAttention 3 in the place of PyTorch's flash kernel, through PyTorch's registry; Hopper only.

Never run by the authors. Source: torch/nn/attention/_fa3.py (2.11 to 2.15), which asks for compute capability 9 and the
module flash_attn_interface with the operations flash_attn_3::fwd and flash_attn_3::bwd. The operation that PyTorch
records is that of its own flash kernel; the proof is the name of the device kernel (evidence/kernel_names.py). A
head_dim of 32 is computed as 64.
"""

from __future__ import annotations

from torch import bfloat16, float16
from torch.nn.attention import SDPBackend

from sdpa_exp.attention.precision import HALVES
from sdpa_exp.attention.pytorch_kernels import pinned
from sdpa_exp.attention.requirements import Package, Requirements

BACKEND = pinned(
    SDPBackend.FLASH_ATTENTION,
    name="flash3",
    summary="FlashAttention 3 through PyTorch's registry, on Hopper",
    flash_impl="FA3",
    pads=True,
    requirements=Requirements(
        dtypes={"cuda": HALVES},
        min_capability=(9, 0),
        max_capability_major=9,
        max_head_dim=256,
        head_dim_multiple={float16: 8, bfloat16: 8},
        packages=(
            Package(
                name="flash-attn-3",
                min_version="3.0",
                install="build it from the folder hopper/ of the flash-attention repository (nvcc 12.3 or newer)",
            ),
        ),
    ),
)
