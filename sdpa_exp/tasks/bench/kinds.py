"""The kinds of attention sites in a model, each with its real input; and the images that reach them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sdpa_exp.attention.core import CoreFunction
from sdpa_exp.injection.dispatch import ATTRIBUTE, OBSERVER
from sdpa_exp.injection.inject import inject
from sdpa_exp.injection.sites import Site, find_sites
from sdpa_exp.tasks.bench.arms import autocast


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of attention site in a model, with what reaches it.

    Attributes:
        name: P4, P5, ... by stride, with the site's name where that is not unique.
        shape: batch times areas, heads, tokens per area, head_dim of q and k, head_dim of v.
    """

    name: str
    site: Site
    shape: tuple[int, int, int, int, int]
    x: Tensor


def kinds_of(network: nn.Module, *, imgsz: int, batch: int, precision: str, device: torch.device) -> list[Kind]:
    """A site of each kind, with its real input.

    Args:
        network: with a core injected; left as it was.
        imgsz: side of the images.
        batch: number of images.
        precision: fp32, fp16 or bf16.
        device: of the network.
    """
    inputs: dict[str, Tensor] = {}
    shapes: dict[str, tuple[int, int, int, int, int]] = {}
    sites = find_sites(network)
    handles = [site.module.register_forward_pre_hook(functools.partial(_note, inputs, site.name)) for site in sites]
    for site in sites:
        setattr(site.module, ATTRIBUTE, "eager")
        setattr(site.module, OBSERVER, functools.partial(_observe, shapes, site.name))
    try:
        with torch.no_grad(), autocast(precision, device):
            network.eval()(random_images(network, imgsz=imgsz, batch=batch, device=device))
    finally:
        for handle in handles:
            handle.remove()
        for site in sites:
            delattr(site.module, OBSERVER)
    first: dict[tuple[Any, ...], Site] = {}
    for site in sites:
        first.setdefault((site.family, shapes[site.name], inputs[site.name].shape), site)
    names = [_level_name(site, inputs[site.name], imgsz) for site in first.values()]
    return [
        Kind(
            name=name if names.count(name) == 1 else f"{name} {site.name}",
            site=site,
            shape=shapes[site.name],
            x=inputs[site.name],
        )
        for name, site in zip(names, first.values(), strict=True)
    ]


def with_dispatchers(network: nn.Module) -> nn.Module:
    """The network with every site ready to take any core.

    Raises:
        InjectionError: it has no sites, or one that can't take a core.
    """
    inject(network, "stock")
    return network


def random_images(network: nn.Module, *, imgsz: int, batch: int, device: torch.device) -> Tensor:
    """Noise from 0 to 1, the same on every call, in the memory format of the network's weights."""
    images = torch.rand(batch, 3, imgsz, imgsz, generator=torch.Generator().manual_seed(0)).to(device)
    return images.contiguous(memory_format=torch.channels_last) if is_channels_last(network) else images


def is_channels_last(network: nn.Module) -> bool:
    """Whether the first convolution's weights are stored so."""
    weight = next(parameter for parameter in network.parameters() if parameter.ndim == 4)
    return weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()


def _note(inputs: dict[str, Tensor], name: str, module: nn.Module, args: Any) -> None:
    inputs[name] = args[0].detach()


def _observe(shapes: dict[str, Any], name: str, function: CoreFunction) -> CoreFunction:
    def observed(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
        shapes[name] = (*q_BHND.shape, v_BHND.shape[-1])
        return function(q_BHND, k_BHND, v_BHND, scale)

    return observed


def _level_name(site: Site, x: Tensor, imgsz: int) -> str:
    """P4 for stride 16; the site's name where its input is no feature map."""
    return f"P{(imgsz // x.shape[-1]).bit_length() - 1}" if x.ndim == 4 else site.name
