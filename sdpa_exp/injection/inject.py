"""Injects a core at every site of a model, or raises and leaves the model as it was."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from sdpa_exp.attention.auto import AUTO_NAME
from sdpa_exp.attention.registry import get_core
from sdpa_exp.errors import InjectionError
from sdpa_exp.injection.dispatch import ATTRIBUTE, REQUESTED, install_dispatcher, is_installed
from sdpa_exp.injection.proof import refuse_unfit
from sdpa_exp.injection.sites import FAMILIES, Site, family_of, find_sites

logger = logging.getLogger(__name__)

Choices = Mapping[str, str]
"""Site -> core, as `auto` chose them."""


@dataclass(frozen=True, kw_only=True)
class InjectionReport:
    """What was swapped: the core, and the sites by name."""

    core: str
    sites: tuple[str, ...]


def inject(model: Any, core: str, *, choices: Choices | None = None) -> InjectionReport:
    """Make every attention site of a model compute with a core.

    Args:
        model: an nn.Module, or an Ultralytics YOLO object. A YOLO object also trains with the core: its trainer builds
            a new model, which is injected right after it is built.
        core: a name from `sdpa_exp.attention.registry.CORES`, or `package.module:NAME`.
        choices: with core="auto": the concrete core of every site (`injection.auto.choose(...).cores`).

    Returns:
        The report of what was swapped.

    Raises:
        CoreUnavailable: no such core.
        InjectionError: the model has no sites, or a site did not or can't take the core.
    """
    for name in {core, *(choices or {}).values()}:
        get_core(name)
    if (core == AUTO_NAME) != (choices is not None):
        raise InjectionError(
            f"attention={core} was given {'no choices' if choices is None else 'choices'}: expected choices with auto, "
            "and with auto only. Get them from sdpa_exp.injection.auto.choose(...).cores."
        )
    network = model if isinstance(model, nn.Module) and not hasattr(model, "add_callback") else model.model
    report = _inject_network(network, core, choices)
    if network is not model:
        model.add_callback("on_pretrain_routine_start", lambda trainer: _inject_after_setup(trainer, core, choices))
    return report


def injected_core(sites: list[Site]) -> str:
    """The one core that all these sites have; "auto" where it chose for all of them.

    Raises:
        InjectionError: the sites have different cores, and `auto` did not choose them.
    """
    names = {getattr(site.module, REQUESTED, getattr(site.module, ATTRIBUTE, "stock")) for site in sites}
    if len(names) != 1:
        raise InjectionError(f"the sites of one model have different cores ({', '.join(sorted(names))}); expected one.")
    return names.pop()


def site_core(site: Site) -> str:
    """The concrete core that a site computes with."""
    return getattr(site.module, ATTRIBUTE, "stock")


def _inject_network(network: nn.Module, core: str, choices: Choices | None) -> InjectionReport:
    sites = find_sites(network)
    if not sites:
        examples = ", ".join(family.example for family in FAMILIES[:3])
        raise InjectionError(
            f"{describe(network)} has no attention sites that sdpa_exp knows "
            f"(known: {', '.join(family.name for family in FAMILIES)}). Choose a model with attention, such as "
            f"{examples}."
        )
    unknown = [site.name for site in sites if choices is not None and site.name not in choices]
    if unknown:
        raise InjectionError(
            f"auto chose no core for {', '.join(unknown)} of {describe(network)}: the choice was made for another "
            "model. Choose again for this one."
        )
    refuse_unfit(sites)
    for site in sites:
        family = family_of(site.module)
        assert family is not None
        install_dispatcher(type(site.module), family.forward)
        setattr(site.module, ATTRIBUTE, core if choices is None else choices[site.name])
        if choices is not None:
            setattr(site.module, REQUESTED, core)
        elif hasattr(site.module, REQUESTED):
            delattr(site.module, REQUESTED)
    check_injected(network, core, expected=tuple(site.name for site in sites), choices=choices)
    logger.info("injected %s at %d sites", core, len(sites))
    return InjectionReport(core=core, sites=tuple(site.name for site in sites))


def check_injected(network: nn.Module, core: str, *, expected: tuple[str, ...], choices: Choices | None = None) -> None:
    """Check that a model, or a copy or reload of it, has the core at the expected sites.

    Raises:
        InjectionError: a site is missing, has another core, or its class lost the dispatching forward.
    """
    sites = {site.name: site for site in find_sites(network)}
    missing = [name for name in expected if name not in sites]
    wrong = [
        name
        for name, site in sites.items()
        if site_core(site) != (core if choices is None else choices.get(name))
        or not is_installed(type(site.module))
        or "forward" in vars(site.module)
    ]
    if missing or wrong:
        raise InjectionError(
            f"{core} was injected at {len(expected) - len(missing) - len(wrong)} of {len(expected)} sites of "
            f"{describe(network)}; without it: {', '.join([*missing, *wrong])}. All sites or none: nothing was run."
        )


def _inject_after_setup(trainer: Any, core: str, choices: Choices | None) -> None:
    """Wrap `setup_model` of this trainer, which runs before EMA, compile and the optimizer see the model."""
    setup = trainer.setup_model

    def setup_then_inject() -> Any:
        checkpoint = setup()
        _inject_network(trainer.model, core, choices)
        return checkpoint

    trainer.setup_model = setup_then_inject


def describe(network: nn.Module) -> str:
    """The name of a network for people: its architecture file, or its class."""
    file = (getattr(network, "yaml", None) or {}).get("yaml_file") if hasattr(network, "yaml") else None
    return str(file).removesuffix(".yaml") if file else type(network).__name__
