"""PyTorch's unfused reference implementation, pinned: what SDPA falls back to."""

from __future__ import annotations

from torch.nn.attention import SDPBackend

from sdpa_exp.attention.pytorch_kernels import pinned
from sdpa_exp.attention.requirements import ANYWHERE

BACKEND = pinned(
    SDPBackend.MATH,
    name="math",
    summary="PyTorch's unfused fallback, pinned",
    requirements=ANYWHERE,
    executed_on=frozenset({"cpu"}),
)
