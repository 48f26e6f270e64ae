"""Finds the attention sites of a model: modules whose attention product can be replaced."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from sdpa_exp.injection.families import FAMILIES, Family

__all__ = ["FAMILIES", "Family", "Site", "find_sites"]


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


def find_sites(model: nn.Module) -> list[Site]:
    """All sites of a model in the order of `named_modules`; empty where it has none."""
    sites = []
    for name, module in model.named_modules():
        family = family_of(module)
        if family is not None:
            heads, qk, v = family.head_dims(module)
            site = Site(name=name, module=module, family=family.name, num_heads=heads, head_dim_qk=qk, head_dim_v=v)
            sites.append(site)
    return sites


def family_of(module: nn.Module) -> Family | None:
    """The family that a module belongs to; None where it is no site."""
    return next((family for family in FAMILIES if family.recognises(module)), None)
