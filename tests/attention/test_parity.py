"""Every backend against the truth in fp64, forward and backward.

The rule: a core's error to fp64 is at most twice the error of the plain computation in the same low precision.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sdpa_exp.attention.backend import BackendFunction
from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.attention.registry import BACKENDS, check
from sdpa_exp.attention.requirements import Setting

SHAPE_BHND = (3, 2, 100, 32)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
NAMES = [name for name, backend in BACKENDS.items() if backend.function and backend.is_softmax and name != "auto"]


def run(function: BackendFunction, inputs: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Output and gradients of q, k, v in fp64, for inputs rounded to dtype."""
    q, k, v = (tensor.to(dtype).requires_grad_() for tensor in inputs)
    out = function(q, k, v, SHAPE_BHND[-1] ** -0.5)
    upstream = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).reshape(out.shape).to(dtype)
    out.backward(upstream)
    assert q.grad is not None
    assert k.grad is not None
    assert v.grad is not None
    return [tensor.detach().double() for tensor in (out, q.grad, k.grad, v.grad)]


def inputs(dtype: torch.dtype) -> list[Tensor]:
    """q, k, v that are exact in dtype, so that fp64 sees the same numbers."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(SHAPE_BHND, generator=generator, dtype=torch.float64).to(dtype).double() for _ in range(3)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_backend_is_as_close_to_the_truth_as_the_plain_computation(name: str, dtype: torch.dtype) -> None:
    backend = BACKENDS[name]
    setting = Setting(device_type="cpu", capability=None, dtype=dtype, head_dim_qk=32, head_dim_v=32)
    if reasons := check(backend, setting):
        pytest.skip(f"{name} can't run here: {'; '.join(reasons)}")
    assert backend.function is not None
    truth = run(explicit_attention, inputs(dtype), torch.float64)
    plain = run(explicit_attention, inputs(dtype), dtype)
    tested = run(backend.function, inputs(dtype), dtype)
    scale = max(float(tensor.abs().max()) for tensor in truth[1:])
    floor = torch.finfo(dtype).eps
    for what, want, by_plain, got in zip(("out", "dq", "dk", "dv"), truth, plain, tested, strict=True):
        allowed = 2 * float((by_plain - want).abs().max()) + floor * scale
        assert float((got - want).abs().max()) <= allowed, what


def test_a_wrong_scale_breaks_the_rule() -> None:
    truth = run(explicit_attention, inputs(torch.float32), torch.float64)
    wrong = run(lambda q, k, v, scale: explicit_attention(q, k, v, 2 * scale), inputs(torch.float32), torch.float32)
    plain = run(explicit_attention, inputs(torch.float32), torch.float32)
    assert float((wrong[0] - truth[0]).abs().max()) > 100 * float((plain[0] - truth[0]).abs().max())
