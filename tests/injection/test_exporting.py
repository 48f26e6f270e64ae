"""A graph of an injected layer can be taken apart for a runtime that lays SDPA's output out in its own way."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from ultralytics.nn.modules.block import AAttn, Attention

from sdpa_exp import inject


@pytest.mark.parametrize(
    "layer", [AAttn(64, 2, area=4), AAttn(64, 2), Attention(64, 2)], ids=["areas", "one area", "PSA"]
)
@pytest.mark.parametrize("backend", ["sdpa", "flash"])
def test_a_layers_graph_is_taken_apart_and_computes_the_same(layer: nn.Module, backend: str) -> None:
    """As ExecuTorch does, in two steps: the second's rule for SDPA gives strides that the first did not see."""
    network, x = nn.Sequential(layer).eval(), torch.randn(1, 64, 8, 8)
    inject(network, backend)
    with torch.no_grad():
        want = network(x)
        program = torch.export.export(network, (x,)).run_decompositions({})
        assert sum("scaled_dot_product" in str(node.target) for node in program.graph.nodes) == 1
        apart = program.run_decompositions()
        assert not any("scaled_dot_product" in str(node.target) for node in apart.graph.nodes)
        assert torch.allclose(apart.module()(x), want, atol=1e-5)
