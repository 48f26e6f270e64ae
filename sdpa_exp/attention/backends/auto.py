"""`auto`: the one arm that chooses, before a training: every layer then has a concrete backend (injection/auto.py)."""

from __future__ import annotations

from torch import Tensor

from sdpa_exp.attention.backend import AUTO_NAME, FUSED_OR_MATH, Backend
from sdpa_exp.attention.requirements import ANYWHERE
from sdpa_exp.errors import BackendUnavailable


def _unresolved(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
    raise BackendUnavailable(
        "attention=auto has not chosen yet: expected a concrete backend at every layer. "
        "Call sdpa_exp.injection.auto.choose first, and inject with its choice."
    )


BACKEND = Backend(
    name=AUTO_NAME,
    summary="times every backend that can run here on the model's real shapes, and takes the fastest for each",
    function=_unresolved,
    kernels=FUSED_OR_MATH | {"softmax", "flash_attn", "flex"},
    requirements=ANYWHERE,
    executed_on=frozenset({"cpu"}),
)
