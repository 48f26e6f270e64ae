"""The attestation says what ran, and catches what pretends."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from sdpa_exp import attest, inject
from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.attention.requirements import ANYWHERE
from sdpa_exp.errors import AttestationError, InjectionError
from sdpa_exp.evidence.attest import attest_call, attestation_from, total_of
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.dispatch import ATTRIBUTE
from sdpa_exp.injection.layers import find_layers

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def _strided(q: Any, k: Any, v: Any, scale: float) -> Any:
    """Says flash, but hands over a layout that fused kernels refuse."""
    q, k, v = (t.transpose(-2, -1).contiguous().transpose(-2, -1) for t in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)


def _half(q: Any, k: Any, v: Any, scale: float) -> Any:
    """Computes in bf16 behind the caller's back."""
    out = torch.nn.functional.scaled_dot_product_attention(q.bfloat16(), k.bfloat16(), v.bfloat16(), scale=scale)
    return out.to(q.dtype)


def pretender(name: str, function: Any) -> Backend:
    return Backend(name=name, summary="", function=function, kernels=frozenset({"flash"}), requirements=ANYWHERE)


STRIDED = pretender("strided", _strided)
HALF = pretender("half", _half)
EXPLICIT = pretender("explicit", explicit_attention)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("yolo12n.yaml", 3)


@pytest.mark.parametrize(
    ("backend", "label"),
    [
        ("stock", "explicit softmax (stock)"),
        ("eager", "explicit softmax (eager)"),
        ("sdpa", "flash"),
        ("flash", "flash"),
        ("math", "math"),
    ],
)
def test_every_backend_is_recognised_at_all_layers_forward_and_backward(
    network: nn.Module, backend: str, label: str
) -> None:
    inject(network, backend)
    attestation = attest(network, IMAGES, dtype="fp32")
    stages = ("train_forward", "train_backward", "val_forward")
    assert attestation.executed() == {stage: {label: 8} for stage in stages}
    assert attestation.ok
    attestation.raise_if_wrong()


def test_shapes_strides_and_dtypes_are_recorded_per_layer(network: nn.Module) -> None:
    inject(network, "flash")
    evidence = attest(network, IMAGES).evidence[0]
    assert evidence.layer == "model.6.m.0.0.attn"
    assert evidence.calls[0].op == "aten::_scaled_dot_product_flash_attention_for_cpu"
    operands = evidence.calls[0].operands
    assert {operand.shape for operand in operands} == {(2 * 4, 2, 4, 32)}
    assert {operand.stride[-1] for operand in operands} == {1}
    assert {operand.dtype for operand in operands} == {"fp32"}


def test_attesting_leaves_the_model_as_it_was(network: nn.Module) -> None:
    inject(network, "flash")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    attest(network, IMAGES)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any("attn_observer" in vars(layer.module) for layer in find_layers(network))


def test_a_backend_that_quietly_calls_math_is_caught_and_the_layout_named(network: nn.Module) -> None:
    inject(network, f"{__name__}:STRIDED")
    attestation = attest(network, IMAGES)
    assert not attestation.ok
    with pytest.raises(
        AttestationError, match=r"ran math instead of flash, because the layout forced it: .* \(and \d+ more\)"
    ):
        attestation.raise_if_wrong()


def test_a_backend_that_casts_silently_is_caught(network: nn.Module) -> None:
    inject(network, f"{__name__}:HALF")
    attestation = attest(network, IMAGES, dtype="fp32")
    assert any("computed in bf16; the precision asked for is fp32" in text for text in attestation.mismatches)


def test_a_backend_that_is_not_what_it_says_is_caught(network: nn.Module) -> None:
    inject(network, f"{__name__}:EXPLICIT")
    assert any("ran explicit softmax instead of flash" in text for text in attest(network, IMAGES).mismatches)


def test_a_switch_that_does_nothing_is_caught(network: nn.Module) -> None:
    """The published study's fault: the arm says flash, the module's own forward runs."""
    inject(network, "flash")
    layer = find_layers(network)[0].module
    original = type(layer).forward
    type(layer).forward = original._sdpa_exp_stock_forward  # type: ignore[attr-defined]
    try:
        mismatches = attest(network, IMAGES).mismatches
    finally:
        type(layer).forward = original
    assert any("ran explicit softmax instead of flash" in text for text in mismatches)
    assert any("ran the module's own forward, which attention=flash must not" in text for text in mismatches)


def test_a_model_with_two_backends_is_refused(network: nn.Module) -> None:
    inject(network, "flash")
    setattr(find_layers(network)[0].module, ATTRIBUTE, "math")
    with pytest.raises(InjectionError, match=r"different backends \(flash, math\)"):
        attest(network, IMAGES)


def test_a_model_without_layers_has_nothing_to_attest() -> None:
    with pytest.raises(InjectionError, match="no attention layers"):
        attest(nn.Conv2d(3, 3, 1), IMAGES)


def test_layers_that_are_frozen_with_all_before_them_have_no_backward_to_attest() -> None:
    network = build_network("yolo12n.yaml", num_classes=1).train()
    inject(network, "sdpa")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(not name.startswith(tuple(f"model.{index}." for index in range(7))))

    def step() -> None:
        total_of(network(IMAGES)).backward()

    found = attestation_from(attest_call(network, step, stage="train", backward=True, dtype=None), find_layers(network))
    assert found.ok, found.mismatches
    assert found.executed() == {"train_forward": {"flash": 8}, "train_backward": {"flash": 4}}
