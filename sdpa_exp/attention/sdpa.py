"""PyTorch's scaled_dot_product_attention: free to choose its kernel, or pinned to one.

`flash` here is PyTorch's built-in kernel, not the flash-attn package. A pinned backend raises when its kernel can't
run; it never falls back. `sdpa` is left alone: where q and k have another head_dim than v, PyTorch may choose math.

Sources: aten/src/ATen/native/transformers/cuda/sdp_utils.cpp, PyTorch 2.11 to 2.15. cuDNN takes head_dim up to 128, up
to 256 on sm90 from cuDNN 9.10 on, and refuses strict determinism; PyTorch itself has the last word (choice.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, bfloat16, float16, float32, float64
from torch.nn.attention import SDPBackend, sdpa_kernel

from sdpa_exp.attention.backend import FUSED_OR_MATH, Backend
from sdpa_exp.attention.padding import PaddedToOneHeadDim
from sdpa_exp.attention.requirements import ANYWHERE, FLOATS, HALVES, Requirements


def sdpa(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
    """PyTorch's own choice of kernel, whatever it is on this device, dtype and shape."""
    return F.scaled_dot_product_attention(q_BHND, k_BHND, v_BHND, scale=scale)


@dataclass(frozen=True, kw_only=True)
class PinnedSdpa:
    """scaled_dot_product_attention held to one kernel; raises RuntimeError where that kernel can't run."""

    sdp_backend: SDPBackend

    def __call__(self, q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
        """softmax(q k^T * scale) v by this kernel; RuntimeError where it can't run."""
        with sdpa_kernel(self.sdp_backend):
            return F.scaled_dot_product_attention(q_BHND, k_BHND, v_BHND, scale=scale)


SDPA = Backend(
    name="sdpa",
    summary="PyTorch's scaled_dot_product_attention with the kernel that PyTorch chooses",
    function=sdpa,
    kernels=FUSED_OR_MATH,
    requirements=ANYWHERE,
    executed_on=frozenset({"cpu"}),
)

FLASH = Backend(
    name="flash",
    summary="PyTorch's built-in flash kernel (not the flash-attn package)",
    function=PaddedToOneHeadDim(function=PinnedSdpa(sdp_backend=SDPBackend.FLASH_ATTENTION)),
    kernels=frozenset({"flash"}),
    requirements=Requirements(
        dtypes={"cuda": HALVES, "cpu": FLOATS},
        min_capability=(8, 0),
        max_head_dim=256,
        compiles=True,
    ),
    executed_on=frozenset({"cpu"}),
)

EFFICIENT = Backend(
    name="efficient",
    summary="PyTorch's memory-efficient kernel (CUTLASS)",
    function=PinnedSdpa(sdp_backend=SDPBackend.EFFICIENT_ATTENTION),
    kernels=frozenset({"efficient"}),
    requirements=Requirements(
        dtypes={"cuda": FLOATS - {float64}},
        min_capability=(5, 0),
        min_capability_bf16=(8, 0),
        head_dim_multiple={float32: 4, float16: 8, bfloat16: 8},
        compiles=True,
    ),
)

CUDNN = Backend(
    name="cudnn",
    summary="cuDNN's fused attention through PyTorch",
    function=PinnedSdpa(sdp_backend=SDPBackend.CUDNN_ATTENTION),
    kernels=frozenset({"cudnn"}),
    requirements=Requirements(
        dtypes={"cuda": HALVES},
        min_capability=(8, 0),
        max_head_dim=256,
        head_dim_multiple={float16: 8, bfloat16: 8},
        backward_deterministic=False,
        compiles=True,
    ),
)

MATH = Backend(
    name="math",
    summary="PyTorch's unfused fallback, pinned",
    function=PinnedSdpa(sdp_backend=SDPBackend.MATH),
    kernels=frozenset({"math"}),
    requirements=ANYWHERE,
    executed_on=frozenset({"cpu"}),
)
