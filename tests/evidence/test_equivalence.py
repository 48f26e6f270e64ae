"""Verification passes honest backends and catches planted faults, at every layer, forward and backward."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sdpa_exp import verify
from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.attention.requirements import ANYWHERE
from sdpa_exp.errors import EquivalenceError, InjectionError
from sdpa_exp.evidence.equivalence import capture_calls, compare_layer
from sdpa_exp.evidence.rule import Equivalence, Part
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.layers import find_layers

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def _wrong_scale(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    return explicit_attention(q, k, v, 1.1 * scale)


def _transposed(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Hands back (B, N, H, D) memory as if it were (B, H, N, D): the flash-attn package's layout, forgotten."""
    out = explicit_attention(q, k, v, scale)
    return out.transpose(1, 2).reshape(out.shape)


def _silent_cast(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    return explicit_attention(q.bfloat16(), k.bfloat16(), v.bfloat16(), scale).to(q.dtype)


def _detached(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Right in forward, and without a gradient for k."""
    return explicit_attention(q, k.detach(), v, scale)


def _nan_in_a_corner(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    out = explicit_attention(q, k, v, scale).clone()
    out[-1, -1, -1, -1] = float("nan")
    return out


def planted(name: str, function: Any) -> Backend:
    return Backend(name=name, summary="", function=function, kernels=frozenset({"softmax"}), requirements=ANYWHERE)


WRONG_SCALE = planted("wrong_scale", _wrong_scale)
TRANSPOSED = planted("transposed", _transposed)
SILENT_CAST = planted("silent_cast", _silent_cast)
DETACHED = planted("detached", _detached)
NAN = planted("nan", _nan_in_a_corner)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("yolo12n.yaml", 3)


@pytest.mark.parametrize("backend", ["stock", "eager", "sdpa", "flash", "math"])
def test_honest_backends_pass_at_every_layer_in_fp32_and_bf16(network: nn.Module, backend: str) -> None:
    equivalence = verify(network, IMAGES, backend=backend, precisions=("fp32", "bf16"))
    assert equivalence.ok
    assert len(equivalence.layers) == 2 * len(find_layers(network))
    equivalence.raise_if_wrong()


def test_stock_against_itself_differs_in_nothing(network: nn.Module) -> None:
    equivalence = verify(network, IMAGES, backend="stock")
    assert equivalence.max_diff == 0
    assert all(part.max_diff == 0 for layer in equivalence.layers for part in layer.parts)


@pytest.mark.parametrize("fault", ["WRONG_SCALE", "TRANSPOSED", "SILENT_CAST", "NAN"])
def test_a_planted_fault_is_caught_at_every_layer_and_named(network: nn.Module, fault: str) -> None:
    equivalence = verify(network, IMAGES, backend=f"{__name__}:{fault}")
    assert [layer.ok for layer in equivalence.layers] == [False] * len(find_layers(network))
    with pytest.raises(
        EquivalenceError, match=r"doesn't compute what stock computes: at model\.6\.m\.0\.0\.attn in fp32"
    ):
        equivalence.raise_if_wrong()


def test_a_missing_gradient_is_caught_although_the_output_is_right(network: nn.Module) -> None:
    equivalence = verify(network, IMAGES, backend=f"{__name__}:DETACHED")
    for layer in equivalence.layers:
        forward, grad_input, grad_params = layer.parts
        assert forward.ok
        assert not grad_input.ok
        assert not grad_params.ok
    with pytest.raises(EquivalenceError, match="its gradients of the input are off by up to"):
        equivalence.raise_if_wrong()


def test_a_cast_that_fp32_shows_hides_in_the_rounding_of_bf16(network: nn.Module) -> None:
    """Why verification runs in fp32 too, and why the attestation looks at dtypes."""
    assert verify(network, IMAGES, backend=f"{__name__}:SILENT_CAST", precisions=("bf16",)).ok


def test_verifying_leaves_the_model_as_it_was(network: nn.Module) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    verify(network, IMAGES, backend="flash")
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_layers_are_given_the_feature_maps_of_the_images(network: nn.Module) -> None:
    calls = capture_calls(network, IMAGES)
    other = capture_calls(network, IMAGES.flip(0))
    assert set(calls) == {layer.name for layer in find_layers(network)}
    name = find_layers(network)[0].name
    assert calls[name].args[0].shape == (2, 64, 4, 4)
    assert torch.allclose(calls[name].args[0], other[name].args[0].flip(0), atol=1e-4)
    assert not torch.allclose(calls[name].args[0], other[name].args[0], atol=1e-2)


def test_truth_has_gradients_that_are_not_zero(network: nn.Module) -> None:
    """A comparison of zeros with zeros would pass whatever the backend does."""
    layer = find_layers(network)[0]
    call = capture_calls(network, IMAGES)[layer.name]
    shifted = {name: p + 0.1 for name, p in layer.module.named_parameters()}
    plain, tested = copy.deepcopy(layer.module).train(), copy.deepcopy(layer.module).train()
    tested.load_state_dict({**tested.state_dict(), **shifted})
    parts = compare_layer(copy.deepcopy(plain).double(), plain, tested, call, dtype=torch.float32)
    assert all(part.error > 0.01 for part in parts)


def test_the_rule_is_twice_the_plain_error_and_a_few_roundings() -> None:
    def part(error: float) -> Part:
        return Part(
            name="forward",
            max_diff=0,
            mean_diff=0,
            rms_error=1e-3,
            plain_rms_error=1e-3,
            error=error,
            plain_error=1e-3,
            max_ratio=2,
        )

    assert part(2e-3).ok
    assert not part(2.01e-3).ok
    assert not part(float("nan")).ok


def test_nothing_compared_is_not_equivalent() -> None:
    assert not Equivalence(backend="flash", max_ratio=2, layers=()).ok


def test_a_model_without_layers_has_nothing_to_verify() -> None:
    with pytest.raises(InjectionError, match="no attention layers, so there is nothing to verify"):
        verify(nn.Conv2d(3, 3, 1), IMAGES)
