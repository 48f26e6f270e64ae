"""The control: the model's own forward, untouched."""

from __future__ import annotations

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.requirements import ANYWHERE

BACKEND = Backend(
    name="stock",
    summary="the model's own forward, untouched (Ultralytics: explicit matmul, softmax, matmul)",
    function=None,
    kernels=frozenset({"softmax"}),
    requirements=ANYWHERE,
    executed_on=frozenset({"cpu"}),
)
