"""stock_fixed: stock's own forward to the bit, and the right gradients where PyTorch's batch norm is wrong."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from ultralytics.nn.modules.block import AAttn, Attention

from sdpa_exp import attest
from sdpa_exp.injection.inject import inject

MODULES = {
    "area attention, 4 areas": lambda: AAttn(32, 2, 4),
    "1 area": lambda: AAttn(32, 2, 1),
    "PSA": lambda: Attention(32, 2),
}
FORMATS = (torch.contiguous_format, torch.channels_last)


def gradient(module: Any, x: Tensor, weights: Tensor) -> list[Tensor]:
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    return list(torch.autograd.grad((module(x) * weights).sum(), [x, *module.parameters()]))


def central_difference(module: nn.Module, x: Tensor, weights: Tensor, direction: list[Tensor], step: float) -> float:
    """The derivative of the weighted output along one direction of input and parameters."""
    values = []
    with torch.no_grad():
        for sign in (1, -1):
            moved = copy.deepcopy(module)
            for parameter, delta in zip(moved.parameters(), direction[1:], strict=True):
                parameter.add_(delta, alpha=sign * step)
            values.append(float((moved(x + sign * step * direction[0]) * weights).sum()))
    return (values[0] - values[1]) / (2 * step)


def off_by(backend: str, batch: int, memory_format: torch.memory_format, make: str) -> float:
    """The worst relative error of gradients along five random directions, in fp64."""
    torch.manual_seed(0)
    network = nn.Sequential(MODULES[make]()).double().train().to(memory_format=memory_format)
    inject(network, backend)
    x = torch.randn(batch, 32, 8, 8, dtype=torch.float64).contiguous(memory_format=memory_format)
    weights = torch.randn_like(x)
    got = gradient(network, x, weights)
    worst = 0.0
    for _ in range(5):
        direction = [torch.randn_like(part) for part in got]
        along = sum(float((a * b).sum()) for a, b in zip(got, direction, strict=True))
        want = central_difference(network, x, weights, direction, 1e-6)
        worst = max(worst, abs(along - want) / abs(want))
    return worst


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("make", MODULES)
def test_its_gradients_equal_central_differences(make: str, batch: int, memory_format: torch.memory_format) -> None:
    assert off_by("stock_fixed", batch, memory_format, make) < 1e-6


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("batch", [1, 2])
def test_its_forward_is_bit_equal_to_stock_and_so_is_a_backward_that_was_right(batch: int, make: str) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(MODULES[make]()).train()
    x = torch.randn(batch, 32, 8, 8)
    found = {}
    for backend in ("stock", "stock_fixed"):
        inject(network, backend)
        state = copy.deepcopy(network.state_dict())
        found[backend] = [network(x), *gradient(network, x, torch.ones_like(x))]
        network.load_state_dict(state)
    equal = [torch.equal(a, b) for a, b in zip(found["stock"], found["stock_fixed"], strict=True)]
    assert equal[0]
    if make != "area attention, 4 areas":  # whose gradient is in another layout: the same sums in another order
        assert all(equal)
    elif batch == 2:
        largest = max(float(part.abs().max()) for part in found["stock"][1:])
        off = [float((a - b).abs().max()) for a, b in zip(found["stock"], found["stock_fixed"], strict=True)]
        assert max(off) < 1e-5 * largest


def test_it_is_attested_as_its_own_code_and_compiles_without_a_break() -> None:
    network = nn.Sequential(AAttn(32, 2, 4)).train()
    x = torch.randn(1, 32, 8, 8)
    inject(network, "stock_fixed")
    attestation = attest(network, x)
    assert attestation.ok
    assert attestation.executed()["train_backward"] == {"explicit softmax (stock_fixed)": 1}
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    weights = torch.randn_like(x)
    want, got = gradient(network, x, weights), gradient(compiled, x, weights)
    largest = max(float(part.abs().max()) for part in want)
    assert all(float((a - b).abs().max()) < 1e-4 * largest for a, b in zip(want, got, strict=True))
