"""Runs one attention layer by itself, on what the model really gives it: output, gradients, and the operands inside."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from sdpa_exp.attention.backend import BackendFunction
from sdpa_exp.attention.precision import autocast_to
from sdpa_exp.errors import InjectionError
from sdpa_exp.injection.dispatch import observed
from sdpa_exp.injection.inject import inject
from sdpa_exp.injection.layers import find_layers

Values = dict[str, list[Tensor]]
"""Part (forward, grad_input, grad_params) -> its tensors, in fp64."""

FORMATS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
_UPSTREAM_SEED = 0


@dataclass(frozen=True, kw_only=True)
class LayerCall:
    """What a layer was called with by the model: positional and named arguments, detached."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def has_images(self) -> bool:
        """Whether an argument is (B, C, H, W), and so has a memory format to choose."""
        return any(isinstance(leaf, Tensor) and leaf.ndim == 4 for leaf in tree_flatten((self.args, self.kwargs))[0])

    def laid_out(self, name: str) -> LayerCall:
        """The same call with images in the memory format NCHW or channels_last.

        The format changes the order of summation in the convolutions around the product, and with it the rounding.
        """

        def lay_out(x: Any) -> Any:
            if not isinstance(x, Tensor) or x.ndim != 4:
                return x
            return torch.empty_like(x, memory_format=FORMATS[name]).copy_(x)

        args, kwargs = tree_map(lay_out, (self.args, self.kwargs))
        return LayerCall(args=args, kwargs=kwargs)


@torch.no_grad()
def capture_calls(network: nn.Module, images: Tensor) -> dict[str, LayerCall]:
    """Run a copy of the network with stock attention on images, as training does, and keep what each layer is given.

    Batch statistics are those of the images, so that the feature maps are real ones also with fresh weights.

    Raises:
        InjectionError: the model ran without one of its layers.
    """
    model = as_stock(network).train()
    calls: dict[str, LayerCall] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            kept = functools.cache(lambda x: x.detach().clone())  # a tensor that is given twice stays one
            args, kwargs = tree_map(lambda x: kept(x) if isinstance(x, Tensor) else x, (args, kwargs))
            calls[name] = LayerCall(args=args, kwargs=kwargs)

        return hook

    layers = find_layers(model)
    handles = [layer.module.register_forward_pre_hook(keep(layer.name), with_kwargs=True) for layer in layers]
    parameter = next(model.parameters())
    model(images.to(parameter.device, parameter.dtype))
    for handle in handles:
        handle.remove()
    missing = [layer.name for layer in layers if layer.name not in calls]
    if missing:
        raise InjectionError(f"the model ran without its layers {', '.join(missing)}: they can't be verified.")
    return calls


def as_stock(network: nn.Module) -> nn.Module:
    """A copy that computes as its library wrote it, with gradients for all parameters."""
    model = copy.deepcopy(network)
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    inject(model, "stock")
    return model


def run_layer(module: nn.Module, call: LayerCall, dtype: torch.dtype, *, in_fp64: bool = False) -> Values:
    """Output and gradients, for inputs and an upstream gradient that are exact in `dtype`.

    Args:
        module: in fp32, or in fp64 with `in_fp64`.
        call: what it is called with.
        dtype: the precision; a half precision runs under autocast.
        in_fp64: compute everything in fp64, on the same numbers.
    """
    leaves, spec = tree_flatten((call.args, call.kwargs))
    inputs: dict[Tensor, Tensor] = {}
    for index, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor) and leaf.is_floating_point():
            if leaf not in inputs:
                exact = leaf.detach().to(dtype, copy=True)
                inputs[leaf] = (exact.double() if in_fp64 else exact).requires_grad_()
            leaves[index] = inputs[leaf]
    args, kwargs = tree_unflatten(leaves, spec)
    for parameter in module.parameters():
        parameter.grad = None
        parameter.requires_grad_(parameter.is_floating_point())
    # Math is made of plain operations, whose roundings error_model.py knows.
    precise = sdpa_kernel(SDPBackend.MATH) if in_fp64 else autocast_to(dtype, next(iter(inputs)).device.type)
    with precise:
        out = module(*args, **kwargs)
        out = out[0] if isinstance(out, tuple) else out
    out.backward(upstream_like(out, dtype))
    return {
        "forward": [out.detach().double()],
        "grad_input": [_gradient(leaf) for leaf in inputs.values()],
        "grad_params": [_gradient(parameter) for parameter in module.parameters() if parameter.requires_grad],
    }


def upstream_like(out: Tensor, dtype: torch.dtype) -> Tensor:
    """The same random gradient for every computation, exact in `dtype`."""
    generator = torch.Generator().manual_seed(_UPSTREAM_SEED)
    return torch.randn(out.shape, generator=generator).to(dtype).to(out.device, out.dtype)


@torch.no_grad()
def capture_operands(module: nn.Module, call: LayerCall, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor] | None:
    """q, k and v as a module hands them to its backend, strides included; None where it runs its own forward."""
    seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def observe(function: BackendFunction) -> BackendFunction:
        def keep(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
            seen.append((q, k, v))
            return function(q, k, v, scale)

        return keep

    cast = functools.cache(lambda x: x.to(dtype))
    args, kwargs = tree_map(
        lambda x: cast(x) if isinstance(x, Tensor) and x.is_floating_point() else x, (call.args, call.kwargs)
    )
    with observed(module, observe), autocast_to(dtype, next(module.parameters()).device.type):
        module(*args, **kwargs)
    return seen[0] if seen else None


def _gradient(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf).double() if leaf.grad is None else leaf.grad.double()
