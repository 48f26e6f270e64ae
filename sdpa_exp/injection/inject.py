"""Injects a core at every site of a model, or raises and leaves the model as it was."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from torch import nn

from sdpa_exp.attention.registry import get_core
from sdpa_exp.errors import InjectionError
from sdpa_exp.injection.dispatch import ATTRIBUTE, install_dispatcher, is_installed
from sdpa_exp.injection.sites import FAMILIES, Site, find_sites

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class InjectionReport:
    """What was swapped: the core, and the sites by name."""

    core: str
    sites: tuple[str, ...]


def inject(model: Any, core: str) -> InjectionReport:
    """Make every attention site of a model compute with a core.

    Args:
        model: an nn.Module, or an Ultralytics YOLO object. A YOLO object also trains with the core: its trainer builds
            a new model, which is injected right after it is built.
        core: a name from `sdpa_exp.attention.registry.CORES`, or `package.module:NAME`.

    Returns:
        The report of what was swapped.

    Raises:
        CoreUnavailable: no such core.
        InjectionError: the model has no sites, or a site did not take the core.
    """
    get_core(core)
    network = model if isinstance(model, nn.Module) and not hasattr(model, "add_callback") else model.model
    report = _inject_network(network, core)
    if network is not model:
        model.add_callback("on_pretrain_routine_start", lambda trainer: _inject_after_setup(trainer, core))
    return report


def injected_core(sites: list[Site]) -> str:
    """The one core that all these sites have.

    Raises:
        InjectionError: the sites have different cores.
    """
    names = {getattr(site.module, ATTRIBUTE, "stock") for site in sites}
    if len(names) != 1:
        raise InjectionError(f"the sites of one model have different cores ({', '.join(sorted(names))}); expected one.")
    return names.pop()


def _inject_network(network: nn.Module, core: str) -> InjectionReport:
    sites = find_sites(network)
    if not sites:
        raise InjectionError(
            f"{_describe(network)} has no attention sites that sdpa_exp knows "
            f"(known: {', '.join(family.name for family in FAMILIES)}). Choose a model with attention, such as yolo12n."
        )
    for family in FAMILIES:
        if any(site.family == family.name for site in sites):
            install_dispatcher(family.module_class(), family.forward)
    for site in sites:
        setattr(site.module, ATTRIBUTE, core)
    check_injected(network, core, expected=tuple(site.name for site in sites))
    logger.info("injected %s at %d sites", core, len(sites))
    return InjectionReport(core=core, sites=tuple(site.name for site in sites))


def check_injected(network: nn.Module, core: str, *, expected: tuple[str, ...]) -> None:
    """Check that a model, or a copy or reload of it, has the core at the expected sites.

    Raises:
        InjectionError: a site is missing, has another core, or its class lost the dispatching forward.
    """
    sites = {site.name: site.module for site in find_sites(network)}
    missing = [name for name in expected if name not in sites]
    wrong = [
        name
        for name, module in sites.items()
        if getattr(module, ATTRIBUTE, "stock") != core or not is_installed(type(module)) or "forward" in vars(module)
    ]
    if missing or wrong:
        raise InjectionError(
            f"{core} was injected at {len(expected) - len(missing) - len(wrong)} of {len(expected)} sites of "
            f"{_describe(network)}; without it: {', '.join([*missing, *wrong])}. All sites or none: nothing was run."
        )


def _inject_after_setup(trainer: Any, core: str) -> None:
    """Wrap `setup_model` of this trainer, which runs before EMA, compile and the optimizer see the model."""
    setup = trainer.setup_model

    def setup_then_inject() -> Any:
        checkpoint = setup()
        _inject_network(trainer.model, core)
        return checkpoint

    trainer.setup_model = setup_then_inject


def _describe(network: nn.Module) -> str:
    file = (getattr(network, "yaml", None) or {}).get("yaml_file") if hasattr(network, "yaml") else None
    return str(file).removesuffix(".yaml") if file else type(network).__name__
