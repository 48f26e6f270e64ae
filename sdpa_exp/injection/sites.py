"""Finds the attention sites of a model: modules whose attention product can be replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from sdpa_exp.injection.area_attention import area_attention
from sdpa_exp.injection.dispatch import SiteForward


@dataclass(frozen=True, kw_only=True)
class Site:
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


@dataclass(frozen=True, kw_only=True)
class Family:
    """How one class of attention modules is recognised, described and computed.

    Attributes:
        module_class: returns the class; called late, so that only models of that library import it.
        head_dims: (num_heads, head_dim of q and k, head_dim of v) of an instance.
    """

    name: str
    module_class: Callable[[], type[nn.Module]]
    head_dims: Callable[[Any], tuple[int, int, int]]
    forward: SiteForward


def _area_attention_class() -> type[nn.Module]:
    from ultralytics.nn.modules.block import AAttn

    return AAttn  # type: ignore[no-any-return]


FAMILIES: tuple[Family, ...] = (
    Family(
        name="area attention",
        module_class=_area_attention_class,
        head_dims=lambda module: (module.num_heads, module.head_dim, module.head_dim),
        forward=area_attention,
    ),
)


def find_sites(model: nn.Module) -> list[Site]:
    """All sites of a model in the order of `named_modules`; empty where it has none."""
    classes = [(family, family.module_class()) for family in FAMILIES]
    sites = []
    for name, module in model.named_modules():
        for family, cls in classes:
            if type(module) is cls:
                heads, qk, v = family.head_dims(module)
                site = Site(name=name, module=module, family=family.name, num_heads=heads, head_dim_qk=qk, head_dim_v=v)
                sites.append(site)
    return sites
