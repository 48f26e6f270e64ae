"""Every core that claims torch.compile is traced into one graph, without a break."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn
from ultralytics.nn.modules.block import AAttn, Attention

from sdpa_exp import inject
from sdpa_exp.attention.choice import refusal
from sdpa_exp.attention.core import Core
from sdpa_exp.attention.registry import CORES
from sdpa_exp.attention.requirements import Setting


def _broken(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    torch._dynamo.graph_break()
    return v


BROKEN = dataclasses.replace(CORES["identity"], name="broken", function=_broken)
CLAIMS = [core for core in CORES.values() if core.requirements.compiles and core.name != "auto"]
SITES = {"area attention": lambda: AAttn(64, 2, 4), "PSA attention": lambda: Attention(64, 2)}
HEAD_DIMS = {"area attention": (32, 32), "PSA attention": (16, 32)}


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("core", CLAIMS, ids=lambda core: core.name)
def test_one_graph_and_no_break(core: Core, site: str) -> None:
    name = core.name
    needs_grad = "cpu" in CORES[name].requirements.grad_devices
    qk, v = HEAD_DIMS[site]
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
    if reasons := refusal(CORES[name], setting):
        pytest.skip(f"{name} can't run here: {'; '.join(reasons)}")
    network = nn.Sequential(SITES[site]())
    inject(network, name)
    torch._dynamo.reset()
    with torch.set_grad_enabled(needs_grad):
        found = torch._dynamo.explain(network)(torch.randn(2, 64, 8, 8))
        assert (found.graph_count, found.graph_break_count) == (1, 0), found.break_reasons
        torch._dynamo.reset()
        torch.compile(network, backend="eager", fullgraph=True)(torch.randn(2, 64, 8, 8))  # raises at a break


def test_a_break_in_a_core_would_be_counted() -> None:
    network = nn.Sequential(AAttn(64, 2, 4))
    inject(network, f"{__name__}:BROKEN")
    torch._dynamo.reset()
    found = torch._dynamo.explain(network)(torch.randn(2, 64, 8, 8))
    assert (found.graph_count, found.graph_break_count) == (2, 1)
