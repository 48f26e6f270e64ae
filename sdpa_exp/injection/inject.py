"""Injects a backend at every layer of a model, or raises and leaves the model as it was."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from sdpa_exp.attention.backend import AUTO_NAME, BackendFunction
from sdpa_exp.attention.registry import get_backend, reference_to
from sdpa_exp.errors import InjectionError
from sdpa_exp.injection.dispatch import ATTRIBUTE, REQUESTED, install_dispatcher, is_installed
from sdpa_exp.injection.layers import FAMILIES, Layer, family_of, find_layers, left_attention
from sdpa_exp.injection.refuse_unfit import refuse_unfit

logger = logging.getLogger(__name__)

Choices = Mapping[str, str]
"""Layer -> backend, as `auto` chose them."""


@dataclass(frozen=True, kw_only=True)
class InjectionReport:
    """What was swapped: the backend, and the layers by name.

    `unknown` counts modules by class that are attention by their name and were left as they are; `reasons` says why of
    those that are known.
    """

    backend: str
    layers: tuple[str, ...]
    unknown: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


def inject(model: Any, backend: str | BackendFunction, *, choices: Choices | None = None) -> InjectionReport:
    """Make every attention layer of a model compute with a backend.

    Args:
        model: an nn.Module, or an Ultralytics YOLO object. A YOLO object also trains with the backend: its trainer
            builds a new model, which is injected right after it is built.
        backend: an option of conf/attention, `package.module:name` or `path/file.py:name`, or a function
            f(q, k, v, scale) -> out from the top of a module (`--help attention` has the contract). Whether it can run
            shows at the first call, since a model may still change its device.
        choices: with backend="auto": the concrete backend of every layer (`injection.auto.choose(...).backends`).

    Returns:
        The report of what was swapped.

    Raises:
        BackendUnavailable: no such backend.
        InjectionError: the model has no layers, or a layer did not or can't take the backend.
    """
    if not isinstance(backend, str):
        backend = reference_to(backend)
    for name in {backend, *(choices or {}).values()}:
        get_backend(name)
    if (backend == AUTO_NAME) != (choices is not None):
        raise InjectionError(
            f"attention={backend} was given {'no choices' if choices is None else 'choices'}: expected choices with "
            "auto, and with auto only. Get them from sdpa_exp.injection.auto.choose(...).backends."
        )
    network = model if isinstance(model, nn.Module) and not hasattr(model, "add_callback") else model.model
    report = _inject_network(network, backend, choices)
    if network is not model:
        model.add_callback("on_pretrain_routine_start", lambda trainer: _inject_after_setup(trainer, backend, choices))
    return report


def injected_copy(network: nn.Module, backend: str, choices: Choices | None = None) -> nn.Module:
    """A copy of a network with this backend at every layer; arguments as in `inject`."""
    model = copy.deepcopy(network)
    inject(model, backend, choices=choices)
    return model


def injected_backend(layers: list[Layer]) -> str:
    """The one backend that all these layers have; "auto" where it chose for all of them.

    Raises:
        InjectionError: the layers have different backends, and `auto` did not choose them.
    """
    names = {getattr(layer.module, REQUESTED, getattr(layer.module, ATTRIBUTE, "stock")) for layer in layers}
    if len(names) != 1:
        raise InjectionError(
            f"the layers of one model have different backends ({', '.join(sorted(names))}); expected one."
        )
    return names.pop()


def layer_backend(layer: Layer) -> str:
    """The concrete backend that a layer computes with."""
    return getattr(layer.module, ATTRIBUTE, "stock")


def _inject_network(network: nn.Module, backend: str, choices: Choices | None) -> InjectionReport:
    layers = find_layers(network)
    if not layers:
        raise no_layers(network, describe(network))
    unknown = [layer.name for layer in layers if choices is not None and layer.name not in choices]
    if unknown:
        raise InjectionError(
            f"auto chose no backend for {', '.join(unknown)} of {describe(network)}: the choice was made for another "
            "model. Choose again for this one."
        )
    refuse_unfit(layers)
    for layer in layers:
        family = family_of(layer.module)
        assert family is not None
        install_dispatcher(type(layer.module), family.forward)
        setattr(layer.module, ATTRIBUTE, backend if choices is None else choices[layer.name])
        if choices is not None:
            setattr(layer.module, REQUESTED, backend)
        elif hasattr(layer.module, REQUESTED):
            delattr(layer.module, REQUESTED)
    check_injected(network, backend, expected=tuple(layer.name for layer in layers), choices=choices)
    left = left_attention(network)
    sentences = " and ".join(each.sentence(cls) for cls, each in left.items())
    logger.info("injected %s at %d layers; left as they are: %s", backend, len(layers), sentences or "none")
    return InjectionReport(
        backend=backend,
        layers=tuple(layer.name for layer in layers),
        unknown={cls: each.number for cls, each in left.items()},
        reasons={cls: each.reason for cls, each in left.items() if each.reason},
    )


def no_layers(network: nn.Module, name: str) -> InjectionError:
    """Why a network without layers is refused: what attention it has under other names, or that it has none."""
    examples = ", ".join(family.example for family in FAMILIES[:3])
    known = f"(known: {', '.join(family.name for family in FAMILIES)})"
    left = " and ".join(each.sentence(cls) for cls, each in left_attention(network).items())
    return InjectionError(
        f"{name} has {left or 'no attention layers that sdpa_exp knows'} {known}. Choose a model with attention that "
        f"it knows, such as {examples}."
    )


def check_injected(
    network: nn.Module, backend: str, *, expected: tuple[str, ...], choices: Choices | None = None
) -> None:
    """Check that a model, or a copy or reload of it, has the backend at the expected layers.

    Raises:
        InjectionError: a layer is missing, has another backend, or its class lost the dispatching forward.
    """
    layers = {layer.name: layer for layer in find_layers(network)}
    missing = [name for name in expected if name not in layers]
    wrong = [
        name
        for name, layer in layers.items()
        if layer_backend(layer) != (backend if choices is None else choices.get(name))
        or not is_installed(type(layer.module))
        or "forward" in vars(layer.module)
    ]
    if missing or wrong:
        raise InjectionError(
            f"{backend} was injected at {len(expected) - len(missing) - len(wrong)} of {len(expected)} layers of "
            f"{describe(network)}; without it: {', '.join([*missing, *wrong])}. All layers or none: nothing was run."
        )


def _inject_after_setup(trainer: Any, backend: str, choices: Choices | None) -> None:
    """Wrap `setup_model` of this trainer, which runs before EMA, compile and the optimizer see the model."""
    setup = trainer.setup_model

    def setup_then_inject() -> Any:
        checkpoint = setup()
        _inject_network(trainer.model, backend, choices)
        return checkpoint

    trainer.setup_model = setup_then_inject


def describe(network: nn.Module) -> str:
    """The name of a network for people: its architecture file, or its class."""
    file = (getattr(network, "yaml", None) or {}).get("yaml_file") if hasattr(network, "yaml") else None
    return str(file).removesuffix(".yaml") if file else type(network).__name__
