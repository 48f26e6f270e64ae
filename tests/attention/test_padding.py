"""Zero-padding to one head_dim changes nothing but the shapes that the kernel sees."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.attention.padding import PaddedToOneHeadDim
from sdpa_exp.attention.registry import BACKENDS

SEEN: list[tuple[int, ...]] = []


def noted(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    SEEN.append((q.shape[-1], k.shape[-1], v.shape[-1]))
    return explicit_attention(q, k, v, scale)


def operands(head_dim_qk: int, head_dim_v: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def make(head_dim: int) -> Tensor:
        return torch.randn(2, 3, 20, head_dim, generator=generator, dtype=torch.float64, requires_grad=True)

    return make(head_dim_qk), make(head_dim_qk), make(head_dim_v)


@pytest.mark.parametrize(("head_dim_qk", "head_dim_v"), [(16, 32), (32, 16)])
def test_output_and_gradients_are_those_of_the_unpadded_product(head_dim_qk: int, head_dim_v: int) -> None:
    scale = head_dim_qk**-0.5
    results = []
    for backend in (explicit_attention, PaddedToOneHeadDim(function=noted)):
        tensors = operands(head_dim_qk, head_dim_v)
        out = backend(*tensors, scale)
        assert out.shape == tensors[2].shape
        results.append([out, *torch.autograd.grad((out * out).sum(), tensors)])
    assert SEEN.pop() == (32, 32, 32)
    for plain, padded in zip(*results, strict=True):
        assert torch.allclose(plain, padded, atol=1e-12)


def test_equal_head_dims_are_passed_on_untouched() -> None:
    tensors = operands(32, 32)
    seen: list[Tensor] = []

    def keep(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        seen.extend((q, k, v))
        return v

    PaddedToOneHeadDim(function=keep)(*tensors, 1.0)
    assert all(got is given for got, given in zip(seen, tensors, strict=True))


def test_flash_takes_psa_operands_and_stays_close_to_fp64() -> None:
    flash = BACKENDS["flash"].function
    assert flash is not None
    exact = operands(32, 64)
    truth = explicit_attention(*exact, 32**-0.5)
    q, k, v = (tensor.detach().float() for tensor in exact)
    assert float((flash(q, k, v, 32**-0.5).double() - truth).abs().max()) < 1e-6
