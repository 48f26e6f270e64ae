"""The layout-aware forward of area attention equals stock and hands the backends views with unit last stride."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from ultralytics.nn.modules.block import AAttn

from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.attention.backends.sdpa import sdpa
from sdpa_exp.injection.convolution_attention import area_attention

FORMATS = (torch.contiguous_format, torch.channels_last)
LAYERS = {"P4": (64, 2, 4, 8), "P5": (128, 4, 1, 6)}  # channels, heads, areas, feature map side


def make(layer: str, memory_format: torch.memory_format) -> tuple[AAttn, Tensor]:
    channels, heads, areas, side = LAYERS[layer]
    torch.manual_seed(0)
    module = AAttn(channels, heads, areas).train().to(memory_format=memory_format)
    return module, torch.randn(2, channels, side, side).contiguous(memory_format=memory_format)


def gradients(module: AAttn, x: Tensor, out: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 1, out.numel()).reshape(out.shape)
    grads = torch.autograd.grad((out * weights).sum(), [x, *module.parameters()])
    return [grad.clone() for grad in grads]


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("layer", LAYERS)
def test_output_and_gradients_equal_stock(layer: str, memory_format: torch.memory_format) -> None:
    module, x = make(layer, memory_format)
    x.requires_grad_()
    stock = AAttn.forward(module, x)
    ours = area_attention(module, x, explicit_attention)
    assert torch.allclose(ours, stock, atol=1e-5)
    ours_grads, stock_grads = gradients(module, x, ours), gradients(module, x, stock)
    largest = max(float(grad.abs().max()) for grad in stock_grads)  # some gradients are analytically zero
    for ours_grad, stock_grad in zip(ours_grads, stock_grads, strict=True):
        assert float((ours_grad - stock_grad).abs().max()) < 1e-4 * largest


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("layer", LAYERS)
def test_the_output_keeps_the_memory_format_of_the_input(layer: str, memory_format: torch.memory_format) -> None:
    module, x = make(layer, memory_format)
    assert area_attention(module, x, sdpa).is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("layer", LAYERS)
def test_backends_get_views_of_one_tensor_with_unit_last_stride(layer: str, memory_format: torch.memory_format) -> None:
    module, x = make(layer, memory_format)
    seen: list[Tensor] = []

    def backend(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        seen.extend((q, k, v))
        return sdpa(q, k, v, scale)

    area_attention(module, x, backend)
    assert [tensor.stride(-1) for tensor in seen] == [1, 1, 1]
    assert len({tensor.untyped_storage().data_ptr() for tensor in seen}) == 1


@pytest.mark.parametrize(("memory_format", "num_copies"), [(torch.channels_last, 1), (torch.contiguous_format, 3)])
def test_nothing_is_copied_without_need(memory_format: torch.memory_format, num_copies: int) -> None:
    """channels_last: v for the positional convolution. NCHW: also the input and the output, at C channels each."""
    module, x = make("P5", memory_format)
    with torch.profiler.profile(acc_events=True) as profiler:
        area_attention(module, x, sdpa)
    inside_ops = {"aten::convolution", "aten::batch_norm", "aten::scaled_dot_product_attention"}

    def is_ours(event: object) -> bool:
        parent = getattr(event, "cpu_parent", None)
        while parent is not None:
            if parent.name in inside_ops:
                return False
            parent = parent.cpu_parent
        return True

    copies = [event for event in profiler.events() if event.name == "aten::copy_" and is_ours(event)]
    assert len(copies) == num_copies
