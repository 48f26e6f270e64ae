"""Verification passes honest backends and catches planted faults, at every layer, forward and backward."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from sdpa_exp import attest, verify
from sdpa_exp.errors import EquivalenceError, InjectionError
from sdpa_exp.evidence.equivalence import compare_backends, judge_layer, prepare_layer
from sdpa_exp.evidence.layer_run import capture_calls
from sdpa_exp.evidence.rule import MAX_RATIO, Equivalence, Error, LayerEquivalence, Part, largest_of
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.layers import find_layers
from tests.evidence.faults import FAULTS

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
HONEST = ("stock", "eager", "sdpa", "flash", "math")
Found = dict[tuple[str, str], Equivalence]  # backend and precision -> what was found


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("yolo12n.yaml", 3)


@pytest.fixture(scope="module")
def compared(network: nn.Module) -> Found:
    """Honest backends and planted faults, in fp32 and bf16, against one truth of each layer."""
    calls = capture_calls(network, IMAGES)
    asked = {("fp32", torch.float32): (*HONEST, *FAULTS), ("bf16", torch.bfloat16): (*HONEST, "CAST_TO_BF16")}
    found = {}
    for (precision, dtype), names in asked.items():
        backends = {name: (f"tests.evidence.faults:{name}" if name in FAULTS else name, None) for name in names}
        layers, failed = compare_backends(network, backends, calls, dtype=dtype)
        assert not failed
        for name, each in layers.items():
            found[name, precision] = Equivalence(backend=name, max_ratio=MAX_RATIO, layers=tuple(each))
    return found


@pytest.mark.parametrize("backend", HONEST)
def test_honest_backends_pass_at_every_layer_in_fp32_and_bf16(
    network: nn.Module, backend: str, compared: Found
) -> None:
    for precision in ("fp32", "bf16"):
        equivalence = compared[backend, precision]
        assert equivalence.ok
        assert len(equivalence.layers) == len(find_layers(network))
        equivalence.raise_if_wrong()


def test_stock_against_itself_differs_in_nothing(compared: Found) -> None:
    equivalence = compared["stock", "fp32"]
    assert equivalence.max_diff == 0
    assert all(part.max_diff == 0 for layer in equivalence.layers for part in layer.parts)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught_at_every_layer_and_named(network: nn.Module, fault: str, compared: Found) -> None:
    equivalence = compared[fault, "fp32"]
    assert [layer.ok for layer in equivalence.layers] == [False] * len(find_layers(network))
    assert not equivalence.stock_faults
    with pytest.raises(
        EquivalenceError, match=r"doesn't compute what stock computes: at model\.6\.m\.0\.0\.attn in fp32"
    ):
        equivalence.raise_if_wrong()


@pytest.mark.parametrize("fault", ["NO_GRADIENT_OF_Q", "NO_GRADIENT_OF_K", "NO_GRADIENT_OF_V"])
def test_a_missing_gradient_is_caught_although_the_output_is_right(fault: str, compared: Found) -> None:
    equivalence = compared[fault, "fp32"]
    for layer in equivalence.layers:
        parts = {part.name: part for part in layer.parts}
        assert parts["product"].ok
        assert parts["forward"].ok
        assert not parts["grad_" + fault[-1].lower()].ok
        assert not parts["grad_input"].ok
        assert not parts["grad_params"].ok
    with pytest.raises(EquivalenceError, match=f"its product's gradients of {fault[-1].lower()} are off by up to"):
        equivalence.raise_if_wrong()


def test_a_cast_that_fp32_shows_hides_in_the_rounding_of_bf16(compared: Found) -> None:
    """Why verification runs in fp32 too, and why the attestation looks at dtypes."""
    assert compared["CAST_TO_BF16", "bf16"].ok


def test_verifying_leaves_the_model_as_it_was(network: nn.Module, compared: Found) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    equivalence = verify(network, IMAGES, backend="flash")
    assert [layer.ok for layer in equivalence.layers] == [layer.ok for layer in compared["flash", "fp32"].layers]
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
    prepared = prepare_layer(plain, call, torch.float32)
    tested_layer = find_layers(nn.Sequential(tested))[0]
    found = judge_layer(prepared, tested_layer, call, dtype=torch.float32, max_ratio=MAX_RATIO)
    assert all(part.error.largest > 0.01 for part in found.parts)


def part(*, rms: float = 1e-7, largest: float = 1e-6, plain: float = 1e-7, size: float = 0.5) -> Part:
    return Part(
        name="forward",
        max_diff=0,
        mean_diff=0,
        error=Error(rms=rms, largest=largest),
        explained=Error(rms=1e-7, largest=1e-6),
        plain={"NCHW": Error(rms=plain, largest=1e-6)},
        plain_explained=Error(rms=1e-7, largest=1e-6),
        size_rms=size,
        max_ratio=4,
    )


def test_the_rule_judges_the_mean_and_the_largest_by_what_is_explained_and_a_nan_by_nothing() -> None:
    assert part(rms=4e-7, largest=4e-6).ok
    assert not part(rms=4.1e-7).ok
    assert not part(largest=4.1e-6).ok
    assert not part(rms=float("nan")).ok
    assert part(rms=4e-7, plain=1.0).ok, "a wrong plain computation is no reason to fail the tested one"
    assert not part(rms=5e-7, plain=1.0).ok, "nor to excuse it"


def test_a_part_where_zeros_would_pass_is_called_blind_and_said_in_a_sentence() -> None:
    assert not part(size=0.5).is_blind
    assert not part(size=0.0).is_blind, "a truth of zeros is told from anything else"
    blind = replace(part(size=1e-7), explained=Error(rms=1e-7, largest=0.3))
    assert blind.is_blind
    layers = (LayerEquivalence(layer="a", precision="bf16", parts=(blind,)),)
    words = str(Equivalence(backend="flash", max_ratio=4, layers=layers))
    assert "In bf16 the rule says nothing of the output (at 1 of 1 layers)" in " ".join(words.split())
    assert "says nothing" not in str(
        Equivalence(backend="flash", max_ratio=4, layers=(replace(layers[0], parts=(part(),)),))
    )


def test_a_nan_is_the_worst_whatever_stands_beside_it() -> None:
    """Python's max would say 1.0: max(1.0, nan) is 1.0."""
    for values in ([1.0, float("nan")], [float("nan"), 1.0]):
        assert math.isnan(largest_of(values))
    layers = [
        LayerEquivalence(layer=name, precision="fp32", parts=(part(rms=rms),))
        for name, rms in (("a", 1e-7), ("b", float("nan")), ("c", 2e-7))
    ]
    equivalence = Equivalence(backend="flash", max_ratio=4, layers=tuple(layers))
    assert math.isnan(equivalence.worst_ratio)
    assert not equivalence.ok
    assert "nan" in str(equivalence)
    assert "1 of 3 layers WRONG" in str(equivalence)


def test_it_prints_as_a_short_table_that_shows_what_was_judged(
    network: nn.Module, compared: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = str(compared["flash", "fp32"])
    assert len(text) < 3000
    assert max(map(len, text.splitlines())) <= 80
    assert "in units of what the precision explains; expected at" in " ".join(text.split())
    assert text.endswith("verdict: 8 of 8 layers compute what stock should compute, up to rounding")
    attested = str(attest(network, IMAGES))
    assert "verdict: everything ran as asked" in attested
    assert len(attested) < 1000


def test_nothing_compared_is_not_equivalent() -> None:
    nothing = Equivalence(backend="flash", max_ratio=4, layers=())
    assert not nothing.ok
    with pytest.raises(EquivalenceError, match="was compared at no layer"):
        nothing.raise_if_wrong()


def test_a_model_without_layers_has_nothing_to_verify() -> None:
    with pytest.raises(InjectionError, match="no attention layers, so there is nothing to verify"):
        verify(nn.Conv2d(3, 3, 1), IMAGES)
