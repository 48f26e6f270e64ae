"""Does an attention compute what stock computes? Outputs and gradients of every layer, against the truth in fp64.

Three computations of one layer, from the same weights, the same inputs and the same upstream gradient: the truth (stock
in fp64), the plain one (stock in the precision that is tested) and the tested one (the backend in that precision, under
autocast where it is a half precision, as training runs it). The rule: the tested error to the truth is at most
`max_ratio` times the plain one, for the root mean square, which a systematic fault moves, and for the largest, which a
fault in a corner moves. Two computations in one precision differ by rounding alone, so their difference says little by
itself; an `allclose` with a fixed tolerance is either blind or wrong.

Gradients of parameters are compared against the largest of their layer: those of the bias of v and of the positional
convolution are zero in exact arithmetic, and any rounding there is infinitely wrong in relative terms.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.requirements import dtype_name
from sdpa_exp.errors import InjectionError
from sdpa_exp.evidence.rule import MAX_RATIO, PARTS, Equivalence, LayerEquivalence, Part
from sdpa_exp.injection.inject import Choices, inject, injected_backend, layer_backend
from sdpa_exp.injection.layers import find_layers

_UPSTREAM_SEED = 0


@dataclass(frozen=True, kw_only=True)
class LayerCall:
    """What a layer was called with by the model: positional and named arguments, detached."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def verify(
    model: Any,
    batch: Any,
    *,
    backend: str | None = None,
    precisions: tuple[str, ...] = ("fp32",),
    max_ratio: float = MAX_RATIO,
) -> Equivalence:
    """Compare a backend with stock at every layer of a copy of a model, on the feature maps that a batch makes there.

    Args:
        model: an nn.Module or an Ultralytics YOLO object; the original is not changed.
        batch: images (B, 3, H, W) from 0 to 1, or an Ultralytics batch with these under "img".
        backend: a name from BACKENDS, or `package.module:NAME`; None takes the one that is injected.
        precisions: fp32, bf16, fp16.
        max_ratio: the rule's factor.

    Raises:
        InjectionError: the model has no layers.
        BackendUnavailable: no such backend.
    """
    network = model if isinstance(model, nn.Module) and not hasattr(model, "add_callback") else model.model
    images = batch["img"] if isinstance(batch, dict) else batch
    layers = find_layers(network)
    if not layers:
        raise InjectionError("the model has no attention layers, so there is nothing to verify.")
    name = backend or injected_backend(layers)
    choices = {layer.name: layer_backend(layer) for layer in layers} if name == AUTO_NAME else None
    calls = capture_calls(network, images)
    found = [
        result
        for precision in precisions
        for result in compare_layers(
            network, name, calls, dtype=_DTYPES[precision], max_ratio=max_ratio, choices=choices
        )
    ]
    return Equivalence(backend=name, max_ratio=max_ratio, layers=tuple(found))


_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@torch.no_grad()
def capture_calls(network: nn.Module, images: Tensor) -> dict[str, LayerCall]:
    """Run a copy of the network with stock attention on images, as training does, and keep what each layer is given.

    Batch statistics are those of the images, so that the feature maps are real ones also with fresh weights.
    """
    model = _as_stock(network).train()
    calls: dict[str, LayerCall] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            args, kwargs = tree_map(lambda x: x.detach().clone() if isinstance(x, Tensor) else x, (args, kwargs))
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


def compare_layers(
    network: nn.Module,
    backend: str,
    calls: Mapping[str, LayerCall],
    *,
    dtype: torch.dtype,
    max_ratio: float = MAX_RATIO,
    choices: Choices | None = None,
) -> list[LayerEquivalence]:
    """Compare a backend with stock at every layer of a network, in one precision; `choices` as `inject` takes them."""
    stock, tested = _as_stock(network).train(), copy.deepcopy(network).train()
    inject(tested, backend, choices=choices)
    plain_modules = {layer.name: layer.module for layer in find_layers(stock)}
    results = []
    for layer in find_layers(tested):
        modules = (copy.deepcopy(plain_modules[layer.name]).double(), plain_modules[layer.name], layer.module)
        parts = compare_layer(*modules, calls[layer.name], dtype=dtype, max_ratio=max_ratio)
        results.append(LayerEquivalence(layer=layer.name, precision=dtype_name(dtype), parts=parts))
    return results


def compare_layer(
    truth: nn.Module,
    plain: nn.Module,
    tested: nn.Module,
    call: LayerCall,
    *,
    dtype: torch.dtype,
    max_ratio: float = MAX_RATIO,
) -> tuple[Part, ...]:
    """Compare one module with its plain form and its truth.

    Args:
        truth: the plain module in fp64.
        plain: the stock module in fp32.
        tested: the module with the backend, in fp32, with the same weights.
        call: what they are called with.
        dtype: the precision of the computation; a half precision runs under autocast, with inputs rounded to it.
        max_ratio: the rule's factor.
    """
    want = _run(truth, call, dtype, is_truth=True)
    by_plain = [_run(plain, each, dtype) for each in (call, _token_major(call))]
    got = _run(tested, call, dtype)
    return tuple(
        _part(name, want[name], [run[name] for run in by_plain], got[name], max_ratio=max_ratio) for name in PARTS
    )


def autocast_to(dtype: torch.dtype, device_type: str) -> AbstractContextManager[Any]:
    """Autocast to a half precision; nothing for fp32."""
    return nullcontext() if dtype is torch.float32 else torch.autocast(device_type, dtype=dtype)


def _as_stock(network: nn.Module) -> nn.Module:
    model = copy.deepcopy(network)
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    inject(model, "stock")
    return model


def _token_major(call: LayerCall) -> LayerCall:
    """The same call with images in channels_last, the layout that layers are computed in.

    It changes the order of summation in the convolutions around the product, and with it the plain error: measured
    in fp32 on a CPU, the largest error of explicit softmax in this layout is up to 2.5 times that in NCHW.
    """
    args, kwargs = tree_map(
        lambda x: x.contiguous(memory_format=torch.channels_last) if isinstance(x, Tensor) and x.ndim == 4 else x,
        (call.args, call.kwargs),
    )
    return LayerCall(args=args, kwargs=kwargs)


def _run(module: nn.Module, call: LayerCall, dtype: torch.dtype, *, is_truth: bool = False) -> dict[str, list[Tensor]]:
    """Output and gradients in fp64, for inputs and an upstream gradient that are exact in `dtype`."""
    leaves, spec = tree_flatten((call.args, call.kwargs))
    inputs = []
    for index, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor) and leaf.is_floating_point():
            exact = leaf.detach().to(dtype, copy=True)
            leaves[index] = (exact.double() if is_truth else exact).requires_grad_()
            inputs.append(leaves[index])
    args, kwargs = tree_unflatten(leaves, spec)
    for parameter in module.parameters():
        parameter.grad = None
        parameter.requires_grad_(parameter.is_floating_point())
    with nullcontext() if is_truth else autocast_to(dtype, inputs[0].device.type):
        out = module(*args, **kwargs)
    out = out[0] if isinstance(out, tuple) else out
    generator = torch.Generator().manual_seed(_UPSTREAM_SEED)
    upstream = torch.randn(out.shape, generator=generator).to(dtype).to(out.device, out.dtype)
    out.backward(upstream)
    return {
        "forward": [out.detach().double()],
        "grad_input": [_gradient(leaf) for leaf in inputs],
        "grad_params": [_gradient(parameter) for parameter in module.parameters() if parameter.requires_grad],
    }


def _gradient(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf).double() if leaf.grad is None else leaf.grad.double()


def _part(name: str, want: list[Tensor], by_plain: list[list[Tensor]], got: list[Tensor], *, max_ratio: float) -> Part:
    largest = max(_largest(want), torch.finfo(torch.float64).tiny)
    diffs, errors = _differences(got, by_plain[0]), _differences(got, want)
    plain_errors = [_differences(plain, want) for plain in by_plain]
    return Part(
        name=name,
        max_diff=_largest(diffs),
        mean_diff=float(torch.cat([diff.abs().flatten() for diff in diffs]).mean()),
        rms_error=_root_mean_square(errors) / largest,
        plain_rms_error=max(map(_root_mean_square, plain_errors)) / largest,
        error=_largest(errors) / largest,
        plain_error=max(map(_largest, plain_errors)) / largest,
        max_ratio=max_ratio,
    )


def _differences(ours: list[Tensor], theirs: list[Tensor]) -> list[Tensor]:
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def _largest(tensors: list[Tensor]) -> float:
    """The largest magnitude; NaN if there is one anywhere, which Python's own max would lose."""
    return float(torch.stack([tensor.abs().max() for tensor in tensors if tensor.numel()]).max())


def _root_mean_square(tensors: list[Tensor]) -> float:
    return float(torch.cat([tensor.flatten() for tensor in tensors]).square().mean().sqrt())
