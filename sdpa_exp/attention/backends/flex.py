"""PyTorch's flex_attention, compiled: a kernel generated for the shapes it meets.

The first call of each kind of shape compiles (40 s on a CPU, then 5 s each), so warm up before anything is timed: a
training's first epoch is warm-up, and `auto` warms up too. Uncompiled, flex_attention would write the whole weights
matrix; `fullgraph` turns that fallback, and more kinds of shape than dynamo keeps (8), into an error.

Read in torch/nn/attention/flex_attention.py 2.15: no backward pass on CPU and MPS, no fp64 on a CPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.precision import HALVES
from sdpa_exp.attention.requirements import FLOATS, Requirements


@functools.cache
def _compiled() -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention  # two seconds that no other backend shall pay

    return torch.compile(flex_attention, fullgraph=True)


def flex(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
    """softmax(q k^T * scale) v by a generated kernel; inside a compiled model it becomes part of that graph."""
    if torch.compiler.is_compiling():
        from torch.nn.attention.flex_attention import flex_attention

        return flex_attention(q_BHND, k_BHND, v_BHND, scale=scale)
    out_BHND: Tensor = _compiled()(q_BHND, k_BHND, v_BHND, scale=scale)
    return out_BHND


BACKEND = Backend(
    name="flex",
    summary="PyTorch's flex_attention, compiled at first use",
    function=flex,
    kernels=frozenset({"flex"}),
    requirements=Requirements(
        dtypes={"cuda": FLOATS - {torch.float64}, "cpu": HALVES | {torch.float32}},
        min_capability=(7, 0),
        grad_devices=frozenset({"cuda"}),
        compilers={"cpu": ("g++", "clang++")},
        backward_deterministic=False,
        compiles=True,
    ),
    executed_on=frozenset({"cpu"}),
)
