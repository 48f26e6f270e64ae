"""cuDNN's fused attention through PyTorch, pinned.

It takes head_dim up to 128, up to 256 on sm90 from cuDNN 9.10 on, and refuses strict determinism.
"""

from __future__ import annotations

from torch import bfloat16, float16
from torch.nn.attention import SDPBackend

from sdpa_exp.attention.precision import HALVES
from sdpa_exp.attention.pytorch_kernels import pinned
from sdpa_exp.attention.requirements import Requirements

BACKEND = pinned(
    SDPBackend.CUDNN_ATTENTION,
    name="cudnn",
    summary="cuDNN's fused attention through PyTorch",
    requirements=Requirements(
        dtypes={"cuda": HALVES},
        min_capability=(8, 0),
        max_head_dim=256,
        head_dim_multiple={float16: 8, bfloat16: 8},
        backward_deterministic=False,
        compiles=True,
    ),
)
