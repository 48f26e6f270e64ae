"""The flash-attn package is told from PyTorch's flash by its operations, and flex by its compiled region."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sdpa_exp import Attention, attest, inject
from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.attention.registry import BACKENDS, check
from sdpa_exp.attention.requirements import ANYWHERE, Setting
from sdpa_exp.evidence.attest import attest_call, attestation_from
from sdpa_exp.evidence.kernel_names import within_flash
from sdpa_exp.injection.layers import find_layers

X = torch.randn(2, 30, 64, generator=torch.Generator().manual_seed(0))


def _no_softmax(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    weights = torch.exp((q * scale) @ k.transpose(-2, -1))
    return (weights / weights.sum(dim=-1, keepdim=True)) @ v


def _package(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    return torch.ops.flash_attn._flash_attn_forward(q, k, v, scale)  # type: ignore[no-any-return]


def _backend(name: str, function: Any, kernel: Any) -> Backend:
    return Backend(name=name, summary="", function=function, kernels=frozenset({kernel}), requirements=ANYWHERE)


COMPILED = _backend("compiled", torch.compile(_no_softmax, backend="aot_eager", fullgraph=True), "flex")
PACKAGE = _backend("package", _package, "flash_attn")
PACKAGE_AS_FLASH = _backend("package_as_flash", _package, "flash")


@pytest.fixture
def _package_operations() -> Iterator[None]:
    """Operations with the package's names and explicit softmax inside, since the package needs a GPU."""
    with torch.library._scoped_library("flash_attn", "DEF") as library:
        library.define("_flash_attn_forward(Tensor q, Tensor k, Tensor v, float scale) -> Tensor")
        library.define("_flash_attn_backward(Tensor g, Tensor q, Tensor k, Tensor v, float scale) -> Tensor[]")

        def gradients(g: Tensor, q: Tensor, k: Tensor, v: Tensor, scale: float) -> list[Tensor]:
            weights = ((q * scale) @ k.transpose(-2, -1)).softmax(dim=-1)
            d_weights = g @ v.transpose(-2, -1)
            d_scores = scale * weights * (d_weights - (d_weights * weights).sum(dim=-1, keepdim=True))
            return [d_scores @ k, d_scores.transpose(-2, -1) @ q, weights.transpose(-2, -1) @ g]

        library.impl("_flash_attn_forward", explicit_attention, "CPU")
        library.impl("_flash_attn_backward", gradients, "CPU")

        def remember(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs[:3])
            ctx.scale = inputs[3]

        def backward(ctx: Any, g: Tensor) -> Any:
            return (*torch.ops.flash_attn._flash_attn_backward(g, *ctx.saved_tensors, ctx.scale), None)

        torch.library.register_autograd(
            "flash_attn::_flash_attn_forward", backward, setup_context=remember, lib=library
        )
        yield


class _AsPackagesDo(torch.autograd.Function):
    """The operations inside an autograd.Function, where they have no sequence number of their own."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(q, k, v)
        ctx.scale = scale
        return _package(q, k, v, scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return (*torch.ops.flash_attn._flash_attn_backward(gradients[0], *ctx.saved_tensors, ctx.scale), None)


WRAPPED = _backend("wrapped", _AsPackagesDo.apply, "flash_attn")


@pytest.mark.usefixtures("_package_operations")
def test_operations_inside_an_autograd_function_are_found_at_their_layer_in_both_directions() -> None:
    network = nn.Sequential(
        Attention(64, 4, backend=f"{__name__}:WRAPPED"), Attention(64, 4, backend=f"{__name__}:WRAPPED")
    )
    attestation = attest(network, X)
    assert attestation.ok
    assert attestation.executed() == {
        stage: {"the flash-attn package": 2} for stage in ("train_forward", "train_backward", "val_forward")
    }


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<32, 128, 128, 4>>", "flash"),
        ("flash_attn_3::fwd", "flash3"),
        ("void cutlass::device_kernel<flash::FlashAttnFwdSm90<64>>", "flash3"),
        ("void cutlass::device_kernel<flash::FlashAttnBwdSm90<64>>", "flash3"),
        ("kernel_cutlass_kernel_flash_attncuteflash_fwd_sm90FlashAttentionForwardSm90_object", "flash4"),
        ("kernel_cutlass_kernel_flash_attncuteflash_bwd_sm100FlashAttentionBackwardSm100_object", "flash4"),
    ],
)
def test_one_operation_of_pytorch_is_told_apart_by_what_runs_under_it(name: str, kernel: str) -> None:
    assert within_flash("flash", {"aten::empty", name}) == kernel
    assert within_flash("cudnn", {name}) == "cudnn"


def test_flash_that_ran_another_packages_kernel_is_a_mismatch() -> None:
    network = nn.Sequential(Attention(64, 4, backend="flash"))
    (seen, *_) = attest(network, X).evidence
    layers = find_layers(network)
    assert attestation_from([seen], layers).ok
    other = dataclasses.replace(seen, kernels={"flash3": 1})
    assert any("ran FlashAttention 3 instead of flash" in text for text in attestation_from([other], layers).mismatches)


@pytest.mark.usefixtures("_package_operations")
def test_the_flash_attn_package_is_told_from_pytorchs_flash() -> None:
    network = nn.Sequential(Attention(64, 4, backend=f"{__name__}:PACKAGE"))
    attestation = attest(network, X)
    assert attestation.executed() == {
        stage: {"the flash-attn package": 1} for stage in ("train_forward", "train_backward", "val_forward")
    }
    assert attestation.ok
    inject(network, f"{__name__}:PACKAGE_AS_FLASH")
    assert any("ran the flash-attn package instead of flash" in text for text in attest(network, X).mismatches)


def test_a_compiled_region_is_found_forward_and_backward() -> None:
    network = nn.Sequential(Attention(64, 4, backend=f"{__name__}:COMPILED"))
    attestation = attest(network, X, dtype="fp32")
    assert {stage: list(row) for stage, row in attestation.executed().items()} == {
        "train_forward": ["flex (a compiled region)"],
        "train_backward": ["flex (a compiled region)"],
        "val_forward": ["flex (a compiled region)"],
    }
    assert attestation.ok
    assert attestation.evidence[0].calls[0].op == "flex_attention"


def test_identity_is_attested_as_no_attention_at_all() -> None:
    network = nn.Sequential(Attention(64, 4, backend="identity"))
    attestation = attest(network, X)
    assert attestation.ok
    assert attestation.executed() == {"train_forward": {}, "train_backward": {}, "val_forward": {}}


@pytest.mark.slow
def test_flex_really_runs_forward_on_a_cpu_and_is_attested() -> None:
    setting = Setting(
        device_type="cpu", capability=None, dtype=torch.float32, head_dim_qk=16, head_dim_v=16, needs_grad=False
    )
    if reasons := check(BACKENDS["flex"], setting):
        pytest.skip(f"flex can't run here: {'; '.join(reasons)}")
    network = nn.Sequential(Attention(64, 4, backend="flex")).eval()

    @torch.no_grad()
    def call() -> Tensor:
        out: Tensor = network(X)
        return out

    inject(network, "eager")
    want = call()
    inject(network, "flex")
    assert torch.allclose(call(), want, atol=1e-6)
    attestation = attestation_from(
        attest_call(network, call, stage="val", backward=False, dtype="fp32"), find_layers(network)
    )
    assert attestation.ok
    assert attestation.executed() == {"val_forward": {"flex (a compiled region)": 1}}
