"""Every core that claims torch.compile is traced into one graph, without a break."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from ultralytics.nn.modules.block import AAttn, Attention

from sdpa_exp import inject
from sdpa_exp.attention.choice import refusal
from sdpa_exp.attention.registry import CORES
from sdpa_exp.attention.requirements import Setting

CLAIMS = [core for core in CORES.values() if core.requirements.compiles and core.name != "auto"]
SITES = {"area attention": lambda: AAttn(64, 2, 4), "PSA attention": lambda: Attention(64, 2)}
HEAD_DIMS = {"area attention": (32, 32), "PSA attention": (16, 32)}


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("core", CLAIMS, ids=lambda core: core.name)
def test_one_graph_and_no_break(core: object, site: str) -> None:
    name = core.name  # type: ignore[attr-defined]
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


def test_a_break_would_be_counted() -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch._dynamo.graph_break()
            return x + 1

    torch._dynamo.reset()
    found = torch._dynamo.explain(nn.Sequential(nn.Linear(2, 2), Broken(), nn.Linear(2, 2)))(torch.randn(1, 2))
    assert found.graph_break_count > 0
