"""Finds the attention layers of a model: modules whose attention product can be replaced."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from torch import nn

from sdpa_exp.attention.requirements import Setting
from sdpa_exp.injection.families import FAMILIES, Family
from sdpa_exp.injection.not_replaced import is_left_whole, why_left

__all__ = ["FAMILIES", "Family", "Layer", "Left", "find_layers", "left_attention", "settings_of"]

_NAMED = re.compile(r"(?i)attention|attn")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One module with a replaceable attention product.

    Attributes:
        name: dotted path inside the model.
        family: the adapter's name.
        num_heads, head_dim_qk, head_dim_v: shape of the product.
    """

    name: str
    module: nn.Module
    family: str
    num_heads: int
    head_dim_qk: int
    head_dim_v: int


def find_layers(model: nn.Module) -> list[Layer]:
    """All layers of a model in the order of `named_modules`; empty where it has none."""
    layers: list[Layer] = []
    closed: tuple[str, ...] = ()
    for name, module in model.named_modules():
        if f"{name}.".startswith(closed):
            continue
        family = None if is_left_whole(module) else family_of(module)
        if family is not None:
            heads, qk, v = family.head_dims(module)
            layer = Layer(name=name, module=module, family=family.name, num_heads=heads, head_dim_qk=qk, head_dim_v=v)
            layers.append(layer)
        if family is not None or is_left_whole(module):
            closed += (f"{name}." if name else "",)
    return layers


@dataclass(frozen=True, kw_only=True)
class Left:
    """Modules of one class that are attention by their name and no layer, and why; None where nothing is known."""

    number: int
    reason: str | None

    def sentence(self, cls: str) -> str:
        """For people."""
        why = f"can't inject: {self.reason}" if self.reason else "doesn't know"
        return f"{self.number} attention modules of class {cls} that sdpa_exp {why}"


def left_attention(model: nn.Module) -> dict[str, Left]:
    """Class -> the modules of a model that are attention by their name, and no layer: nothing here can inject them.

    Of modules inside each other the innermost counts.
    """
    layers = [f"{layer.name}." for layer in find_layers(model)]

    def is_inside_or_around(name: str) -> bool:
        return any(f"{name}.".startswith(layer) or (name and layer.startswith(f"{name}.")) for layer in layers)

    found = {
        name: type(module).__name__
        for name, module in model.named_modules()
        if _NAMED.search(type(module).__name__) and not is_inside_or_around(name)
    }
    inner = {name: cls for name, cls in found.items() if not any(o.startswith(f"{name}.") for o in found if name)}
    counted = Counter(inner.values())
    first = {cls: name for name, cls in reversed(inner.items())}
    return {cls: Left(number=number, reason=why_left(model, first[cls])) for cls, number in counted.items()}


def settings_of(layers: Iterable[Layer], base: Setting) -> list[Setting]:
    """What a backend is asked for at each of these layers, in their order."""
    return [
        replace(base, num_heads=layer.num_heads, head_dim_qk=layer.head_dim_qk, head_dim_v=layer.head_dim_v)
        for layer in layers
    ]


def family_of(module: nn.Module) -> Family | None:
    """The family that a module belongs to; None where it is no layer."""
    return next((family for family in FAMILIES if family.recognises(module)), None)
