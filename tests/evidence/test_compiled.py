"""What a compiled training step ran: fused operations are counted over the graph, and a replaced one is caught."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from ultralytics.nn.modules.block import AAttn

from sdpa_exp import inject
from sdpa_exp.evidence.compiled import CompiledEvidence, attest_compiled, is_compiled
from sdpa_exp.injection.layers import find_layers


def two_layers(backend: str) -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(AAttn(64, 2, 4), AAttn(64, 2, 1))
    inject(network, backend)
    return network


def step_of(network: nn.Module) -> Callable[[], None]:
    """A compiled step; AOTAutograd without code generation keeps the operations that Inductor keeps, and more."""
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    assert is_compiled(compiled)

    def step() -> None:
        compiled(torch.randn(2, 64, 8, 8)).sum().backward()

    step()
    return step


def evidence(*, ran: str, asked: str) -> CompiledEvidence:
    return attest_compiled(step_of(two_layers(ran)), find_layers(two_layers(asked)), torch.device("cpu"))


def test_fused_calls_are_counted_in_both_directions() -> None:
    found = evidence(ran="flash", asked="flash")
    assert (found.forward, found.backward, found.mismatches) == ({"flash": 2}, {"flash": 2}, ())


@pytest.mark.parametrize("backend", ["stock", "eager"])
def test_explicit_attention_leaves_no_fused_call(backend: str) -> None:
    found = evidence(ran=backend, asked=backend)
    assert (found.forward, found.backward, found.mismatches) == ({}, {}, ())


def test_explicit_attention_that_the_compiler_replaced_is_a_mismatch() -> None:
    found = evidence(ran="flash", asked="stock")
    assert found.mismatches == (
        "the compiled forward ran flash 2 times, which no layer asks for: torch.compile replaced the attention",
        "the compiled backward ran flash 2 times, which no layer asks for: torch.compile replaced the attention",
    )


def test_a_fused_backend_that_never_ran_is_a_mismatch() -> None:
    found = evidence(ran="eager", asked="flash")
    assert found.mismatches == (
        "the compiled forward made 0 fused attention calls; expected 2",
        "the compiled backward made 0 fused attention calls; expected 2",
    )
