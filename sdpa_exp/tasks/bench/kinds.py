"""The kinds of attention layers in a model, each with its real input; and the images that reach them."""

from __future__ import annotations

import functools
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sdpa_exp.attention.backend import BackendFunction
from sdpa_exp.attention.precision import DTYPES, autocast_to
from sdpa_exp.injection.dispatch import ATTRIBUTE, observed
from sdpa_exp.injection.inject import inject
from sdpa_exp.injection.layers import Layer, find_layers
from sdpa_exp.injection.seen_call import SeenCall, note_call


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of attention layer in a model, with what reaches it.

    Attributes:
        name: P4, P5, ... by stride, with the layer's name where that is not unique.
        shape: batch times areas, heads, tokens per area, head_dim of q and k, head_dim of v.
        call: what the model calls it with.
    """

    name: str
    layer: Layer
    shape: tuple[int, int, int, int, int]
    call: SeenCall


def kinds_of(network: nn.Module, *, imgsz: int, batch: int, precision: str, device: torch.device) -> list[Kind]:
    """A layer of each kind, with its real input.

    Args:
        network: with a backend injected; left as it was.
        imgsz: side of the images.
        batch: number of images.
        precision: fp32, fp16 or bf16.
        device: of the network.
    """
    calls: dict[str, SeenCall] = {}
    shapes: dict[str, tuple[int, int, int, int, int]] = {}
    layers = find_layers(network)
    with ExitStack() as stack:
        for layer in layers:
            stack.callback(note_call(layer.module, functools.partial(calls.__setitem__, layer.name)))
            setattr(layer.module, ATTRIBUTE, "eager")
            stack.enter_context(observed(layer.module, functools.partial(_observe, shapes, layer.name)))
        with torch.no_grad(), autocast_to(DTYPES[precision], device.type):
            network.eval()(random_images(network, imgsz=imgsz, batch=batch, device=device))
    first: dict[tuple[Any, ...], Layer] = {}
    for layer in layers:
        first.setdefault((layer.family, shapes[layer.name], calls[layer.name].x.shape), layer)
    names = [_level_name(layer, calls[layer.name].x, imgsz) for layer in first.values()]
    return [
        Kind(
            name=name if names.count(name) == 1 else f"{name} {layer.name}",
            layer=layer,
            shape=shapes[layer.name],
            call=calls[layer.name],
        )
        for name, layer in zip(names, first.values(), strict=True)
    ]


def with_dispatchers(network: nn.Module) -> nn.Module:
    """The network with every layer ready to take any backend.

    Raises:
        InjectionError: it has no layers, or one that can't take a backend.
    """
    inject(network, "stock")
    return network


def random_images(network: nn.Module, *, imgsz: int, batch: int, device: torch.device) -> Tensor:
    """Noise from 0 to 1, the same on every call, in the memory format of the network's weights."""
    images = torch.rand(batch, 3, imgsz, imgsz, generator=torch.Generator().manual_seed(0)).to(device)
    return images.contiguous(memory_format=torch.channels_last) if is_channels_last(network) else images


def is_channels_last(network: nn.Module) -> bool:
    """Whether the first convolution's weights are stored so."""
    weight = next((parameter for parameter in network.parameters() if parameter.ndim == 4), None)
    if weight is None:
        return False
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def _observe(shapes: dict[str, Any], name: str, function: BackendFunction) -> BackendFunction:
    def observed(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
        shapes[name] = (*q_BHND.shape, v_BHND.shape[-1])
        return function(q_BHND, k_BHND, v_BHND, scale)

    return observed


def _level_name(layer: Layer, x: Tensor, imgsz: int) -> str:
    """P4 for stride 16; the layer's name where its input is no feature map."""
    return f"P{(imgsz // x.shape[-1]).bit_length() - 1}" if x.ndim == 4 else layer.name
