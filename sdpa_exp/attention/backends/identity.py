"""`identity`: out = v. No attention at all, and so the floor that no attention can beat in a benchmark."""

from __future__ import annotations

from torch import Tensor

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.requirements import FLOATS, Requirements


def identity(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
    """V, untouched; q and k get no gradient."""
    return v_BHND


BACKEND = Backend(
    name="identity",
    summary="out = v, for benchmarks only: the floor that no attention can beat",
    function=identity,
    kernels=frozenset(),
    is_softmax=False,
    requirements=Requirements(dtypes={"cpu": FLOATS, "cuda": FLOATS}, compiles=True, benchmark_only=True),
    executed_on=frozenset({"cpu"}),
)
