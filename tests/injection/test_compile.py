"""Every backend that claims torch.compile is traced into one graph, without a break."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn
from ultralytics.nn.modules.block import AAttn, Attention

from sdpa_exp import inject
from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.registry import BACKENDS, check
from sdpa_exp.attention.requirements import Setting


def _broken(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    torch._dynamo.graph_break()
    return v


BROKEN = dataclasses.replace(BACKENDS["identity"], name="broken", function=_broken)
CLAIMS = [backend for backend in BACKENDS.values() if backend.requirements.compiles and backend.name != "auto"]
LAYERS = {"area attention": lambda: AAttn(64, 2, 4), "PSA attention": lambda: Attention(64, 2)}
HEAD_DIMS = {"area attention": (32, 32), "PSA attention": (16, 32)}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("backend", CLAIMS, ids=lambda backend: backend.name)
def test_one_graph_and_no_break(backend: Backend, layer: str) -> None:
    name = backend.name
    needs_grad = "cpu" in BACKENDS[name].requirements.grad_devices
    qk, v = HEAD_DIMS[layer]
    setting = Setting(
        device_type="cpu",
        capability=None,
        dtype=torch.float32,
        head_dim_qk=qk,
        head_dim_v=v,
        needs_grad=needs_grad,
        compiled=True,
        purpose="benchmark",
    )
    if reasons := check(BACKENDS[name], setting):
        pytest.skip(f"{name} can't run here: {'; '.join(reasons)}")
    network = nn.Sequential(LAYERS[layer]())
    inject(network, name)
    torch._dynamo.reset()
    with torch.set_grad_enabled(needs_grad):
        found = torch._dynamo.explain(network)(torch.randn(2, 64, 8, 8))
        assert (found.graph_count, found.graph_break_count) == (1, 0), found.break_reasons
        torch._dynamo.reset()
        torch.compile(network, backend="eager", fullgraph=True)(torch.randn(2, 64, 8, 8))  # raises at a break


def test_a_break_in_a_backend_would_be_counted() -> None:
    network = nn.Sequential(AAttn(64, 2, 4))
    inject(network, f"{__name__}:BROKEN")
    torch._dynamo.reset()
    found = torch._dynamo.explain(network)(torch.randn(2, 64, 8, 8))
    assert (found.graph_count, found.graph_break_count) == (2, 1)
