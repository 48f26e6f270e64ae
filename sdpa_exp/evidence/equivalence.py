"""Does an attention compute what stock computes? Outputs and gradients of every layer, against a checked truth.

Computations of one layer, from the same weights, the same inputs and the same upstream gradient: the truth (stock in
fp64, in a form that passes the checks of reference.py), the plain one (stock in the precision that is tested, in both
memory formats) and the tested one (the backend in that precision, under autocast where it is a half precision, as
training runs it); and the product by itself. rule.py judges them by what the precision explains. An `allclose` with a
fixed tolerance is either blind or wrong.

Gradients of parameters are compared against the largest of their layer: those of the bias of v and of the positional
convolution are zero in exact arithmetic, and any rounding there is infinitely wrong in relative terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.precision import DTYPES, dtype_name
from sdpa_exp.attention.registry import get_backend
from sdpa_exp.errors import InjectionError
from sdpa_exp.evidence.error_model import Rounding
from sdpa_exp.evidence.layer_run import (
    FORMATS,
    LayerCall,
    Values,
    as_stock,
    capture_calls,
    capture_operands,
    run_layer,
)
from sdpa_exp.evidence.product import PRODUCT_PARTS, Computations, compare_product
from sdpa_exp.evidence.reference import Reference, checked_reference
from sdpa_exp.evidence.rule import MAX_RATIO, Equivalence, Error, LayerEquivalence, Part
from sdpa_exp.injection.inject import Choices, injected_backend, injected_copy, layer_backend
from sdpa_exp.injection.layers import Layer, find_layers

_ROUNDING_SEED = 0


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
        backend: a name of conf/attention, or `package.module:NAME`; None takes the one that is injected.
        precisions: fp32, bf16, fp16.
        max_ratio: the largest error, in units of what the precision explains.

    Returns:
        What was compared: `print` it, ask it for `ok` and `stock_faults`, or call `raise_if_wrong()`.

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
            network, name, calls, dtype=DTYPES[precision], max_ratio=max_ratio, choices=choices
        )
    ]
    return Equivalence(backend=name, max_ratio=max_ratio, layers=tuple(found), versions=versions(images.device))


def versions(device: torch.device) -> str:
    """What to write beside a fault: PyTorch and the device."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return f"PyTorch {torch.__version__}, {name}"


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
    found, failed = compare_backends(network, {backend: (backend, choices)}, calls, dtype=dtype, max_ratio=max_ratio)
    if failed:
        raise failed[backend]
    return found[backend]


def compare_backends(
    network: nn.Module,
    backends: Mapping[str, tuple[str, Choices | None]],
    calls: Mapping[str, LayerCall],
    *,
    dtype: torch.dtype,
    max_ratio: float = MAX_RATIO,
) -> tuple[dict[str, list[LayerEquivalence]], dict[str, RuntimeError]]:
    """Compare several backends with one truth: label -> its layers, and the labels that raised, with the first error.

    Args:
        network: left as it was.
        backends: label -> backend, and what auto chose for each layer.
        calls: what each layer is called with, from `capture_calls`.
        dtype: the precision of the computation.
        max_ratio: the rule's factor.
    """
    plain = {layer.name: layer.module for layer in find_layers(as_stock(network).train())}
    layers = {label: find_layers(injected_copy(network, *pair).train()) for label, pair in backends.items()}
    found: dict[str, list[LayerEquivalence]] = {label: [] for label in backends}
    failed: dict[str, RuntimeError] = {}
    for place, (name, module) in enumerate(plain.items()):
        prepared = prepare_layer(module, calls[name], dtype)
        for label, results in found.items():
            if label in failed:
                continue
            try:
                results.append(
                    judge_layer(prepared, layers[label][place], calls[name], dtype=dtype, max_ratio=max_ratio)
                )
            except RuntimeError as error:
                failed[label] = error
    return {label: results for label, results in found.items() if label not in failed}, failed


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a layer is compared with, whatever the backend: its truth, what the precision explains, and plain runs."""

    truth: Reference
    explained: Values
    plain: dict[str, Values]


def prepare_layer(plain: nn.Module, call: LayerCall, dtype: torch.dtype) -> Prepared:
    """Compute what a layer is compared with.

    Args:
        plain: the stock module in fp32.
        call: what it is called with.
        dtype: the precision of the computation; a half precision runs under autocast, with inputs rounded to it.
    """
    truth = checked_reference(plain, call, dtype)
    with Rounding(dtype, seed=_ROUNDING_SEED):
        explained = run_layer(truth.module, truth.call, dtype, in_fp64=True)
    forms = {name: call.laid_out(name) for name in FORMATS} if call.has_images else {"as given": call}
    return Prepared(
        truth=truth,
        explained=explained,
        plain={name: run_layer(plain, each, dtype) for name, each in forms.items()},
    )


def judge_layer(
    prepared: Prepared, tested: Layer, call: LayerCall, *, dtype: torch.dtype, max_ratio: float
) -> LayerEquivalence:
    """Run a layer with its backend, in fp32 with the weights of the plain one, and judge it by the rule's factor."""
    parts = []
    backend = get_backend(layer_backend(tested))
    operands = capture_operands(tested.module, call, dtype) if backend.function is not None else None
    if operands is not None:
        product = compare_product(backend, operands, tested.head_dim_qk**-0.5, dtype)
        parts += [_part(name, product, max_ratio) for name in PRODUCT_PARTS]
    whole = Computations(
        truth=prepared.truth.values,
        explained=prepared.explained,
        plain_explained=prepared.explained,
        tested=run_layer(tested.module, call, dtype),
        plain=prepared.plain,
    )
    parts += [_part(name, whole, max_ratio) for name in whole.truth]
    return LayerEquivalence(
        layer=tested.name, precision=dtype_name(dtype), parts=tuple(parts), reference_faults=prepared.truth.faults
    )


def _part(name: str, computed: Computations, max_ratio: float) -> Part:
    want, got = computed.truth[name], computed.tested[name]
    size = max(_largest(want), torch.finfo(torch.float64).tiny)
    diffs = _differences(got, next(iter(computed.plain.values()))[name])
    return Part(
        name=name,
        max_diff=_largest(diffs),
        mean_diff=float(torch.cat([diff.abs().flatten() for diff in diffs]).mean()),
        error=_error(got, want, size),
        explained=_error(computed.explained[name], want, size),
        plain_explained=_error(computed.plain_explained[name], want, size),
        plain={form: _error(values[name], want, size) for form, values in computed.plain.items()},
        size_rms=_error(want, [torch.zeros_like(tensor) for tensor in want], size).rms,
        max_ratio=max_ratio,
    )


def _error(got: list[Tensor], want: list[Tensor], size: float) -> Error:
    off = _differences(got, want)
    rms = float(torch.cat([tensor.flatten() for tensor in off]).square().mean().sqrt())
    return Error(rms=rms / size, largest=_largest(off) / size)


def _differences(ours: list[Tensor], theirs: list[Tensor]) -> list[Tensor]:
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def _largest(tensors: list[Tensor]) -> float:
    """The largest magnitude; NaN if there is one anywhere, which Python's own max would lose."""
    return float(torch.stack([tensor.abs().max() for tensor in tensors if tensor.numel()]).max())
