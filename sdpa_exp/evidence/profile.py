"""Profiles one call of a model and says which kernels ran at which layer, forward and backward."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from sdpa_exp.attention.backend import Kernel
from sdpa_exp.evidence.kernel_names import (
    BACKWARD_OPS,
    COMPILED_REGION,
    FORWARD_OPS,
    SOFTMAX_BACKWARD_OP,
    SOFTMAX_OPS,
    within_flash,
)
from sdpa_exp.evidence.labels import LAYER_LABEL, labelled
from sdpa_exp.injection.layers import Layer
from sdpa_exp.measure.clock import synchronize


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen at one layer in one direction: kernels with call counts, and names of device kernels."""

    kernels: Counter[Kernel] = field(default_factory=Counter)
    device_kernels: frozenset[str] = frozenset()


Sightings = dict[str, Seen]
"""Layer name -> what was seen there."""


def profile_layers(
    call: Callable[[], object], layers: Iterable[Layer], device: torch.device
) -> tuple[Sightings, Sightings]:
    """Run `call` once under the profiler.

    Args:
        call: a forward, or a forward and backward, through the modules of `layers`.
        layers: the layers to watch.
        device: where the model is.

    Returns:
        What was seen forward, and what was seen backward, for layers where anything was.
    """
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(labelled(layer.module, LAYER_LABEL + layer.name))
        events = profiled_events(call, device)
    forward, by_sequence = _read_forward(events)
    return forward, _read_backward(events, by_sequence)


def profiled_events(call: Callable[[], object], device: torch.device) -> list[Any]:
    """What PyTorch's profiler sees of one call, on the host and on the device."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
    with profile(activities=activities, acc_events=True) as profiler:
        call()
        synchronize(device)
    return list(profiler.events())


def _read_forward(events: list[Any]) -> tuple[Sightings, dict[int, tuple[str, Kernel]]]:
    counts: dict[str, Counter[Kernel]] = defaultdict(Counter)
    device_kernels: dict[str, set[str]] = defaultdict(set)
    by_sequence: dict[int, tuple[str, Kernel]] = {}
    for event in events:
        kernel = _forward_kernel(event)
        layer = _layer_of(event) if kernel is not None else None
        if kernel is None or layer is None:
            continue
        owner = _owner(event)
        if event.name in FORWARD_OPS or owner is None:
            counts[layer][kernel] += 1
            device_kernels[layer] |= _device_kernels(event)
        # An operation inside an autograd.Function, as packages have them, has no number; the function around it has.
        around = with_children(event) if kernel == "flex" else _up_to_layer(event) if event.sequence_nr < 0 else [event]
        by_sequence.update({e.sequence_nr: (layer, owner or kernel) for e in around if e.sequence_nr >= 0})
    return _sightings(counts, device_kernels), by_sequence


def _read_backward(events: list[Any], by_sequence: dict[int, tuple[str, Kernel]]) -> Sightings:
    counts: dict[str, Counter[Kernel]] = defaultdict(Counter)
    device_kernels: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.name not in BACKWARD_OPS and event.name != SOFTMAX_BACKWARD_OP:
            continue
        known = next((by_sequence[e.sequence_nr] for e in _chain(event) if e.sequence_nr in by_sequence), None)
        if known is None:
            continue  # a softmax outside the layers, such as the detection head's
        layer, forward_kernel = known
        counts[layer][_known(BACKWARD_OPS, event) or forward_kernel] += 1
        device_kernels[layer] |= _device_kernels(event)
    return _sightings(counts, device_kernels)


def _sightings(counts: dict[str, Counter[Kernel]], device_kernels: dict[str, set[str]]) -> Sightings:
    return {
        layer: Seen(kernels=seen, device_kernels=frozenset(device_kernels[layer])) for layer, seen in counts.items()
    }


def _forward_kernel(event: Any) -> Kernel | None:
    if event.name.startswith(COMPILED_REGION):
        is_opaque = not any(e.name in FORWARD_OPS or e.name in SOFTMAX_OPS for e in with_children(event))
        return "flex" if is_opaque else None
    return "softmax" if event.name in SOFTMAX_OPS else _known(FORWARD_OPS, event)


def _known(operations: dict[str, Kernel], event: Any) -> Kernel | None:
    kernel = operations.get(event.name)
    return (
        None
        if kernel is None
        else within_flash(kernel, {e.name for e in with_children(event)} | _device_kernels(event))
    )


def with_children(event: Any) -> list[Any]:
    """The event and everything inside it, in the order in which it was entered."""
    return [event, *(e for child in event.cpu_children for e in with_children(child))]


def _owner(event: Any) -> Kernel | None:
    """The SDPA operation that an operation is a part of: math is made of a softmax and two matmuls."""
    return next((FORWARD_OPS[e.name] for e in _chain(event) if e is not event and e.name in FORWARD_OPS), None)


def _layer_of(event: Any) -> str | None:
    return next((e.name.removeprefix(LAYER_LABEL) for e in _chain(event) if e.name.startswith(LAYER_LABEL)), None)


def _chain(event: Any) -> Iterable[Any]:
    """The event and its parents, inside out."""
    while event is not None:
        yield event
        event = event.cpu_parent


def _up_to_layer(event: Any) -> list[Any]:
    """The events around an operation, as far as its layer's label."""
    return list(itertools.takewhile(lambda e: not e.name.startswith(LAYER_LABEL), _chain(event)))


def _device_kernels(event: Any) -> set[str]:
    return {kernel.name for each in with_children(event) for kernel in each.kernels}
