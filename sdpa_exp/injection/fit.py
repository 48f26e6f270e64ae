"""Whether image sizes fit a model's areas: area attention splits the tokens of a layer into equal parts, or can't run.

A layer's stride comes from one pass of a small image through the model's own code on the CPU, which ends at the last
such layer, so that a size is judged for every attention alike. (On torch's meta device nothing would be computed, but
batch norm imports the compiler there, for 2 s of every run.)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sdpa_exp.errors import ConfigError
from sdpa_exp.injection.dispatch import ATTRIBUTE
from sdpa_exp.injection.layers import find_layers

STRIDE = 32
_NUM_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class SplitLayer:
    """A layer that splits its tokens: its name, its number of areas, and how many pixels a token is wide."""

    name: str
    areas: int
    stride: int

    def fits(self, height: int, width: int) -> bool:
        """Whether the tokens of an image of this size can be split evenly."""
        return (height // self.stride) * (width // self.stride) % self.areas == 0


def check_sizes(network: nn.Module, sizes: Iterable[tuple[int, int]], *, key: str) -> None:
    """Refuse image sizes whose tokens can't be split into a layer's areas.

    Args:
        network: on any device; it is not changed.
        sizes: (height, width) in pixels.
        key: the option that sets them, for the message.

    Raises:
        ConfigError: names the layer, its tokens and areas, and the sizes that fit.
    """
    layers = split_layers(network)
    for height, width in dict.fromkeys(sizes):
        for layer in layers:
            if layer.fits(height, width):
                continue
            rows, columns = height // layer.stride, width // layer.stride
            raise ConfigError(
                f"Images of {width} x {height} px don't fit {layer.name}: its {rows * columns} tokens ({columns} x "
                f"{rows}) can't be split into {layer.areas} areas. {_that_fit(layers, height, width, key)}, or change "
                "the areas in the model's file."
            )


def split_layers(network: nn.Module) -> list[SplitLayer]:
    """The layers of a model with more than one area."""
    split = {layer.name: layer.module for layer in find_layers(network) if int(getattr(layer.module, "area", 1)) > 1}
    if not split:
        return []
    probe = copy.deepcopy(network).to("cpu").float().eval()
    strides: dict[str, int] = {}
    size = 2 * STRIDE * math.lcm(*(int(module.area) for module in split.values()))  # type: ignore[arg-type]

    def note(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            strides[name] = size // inputs[0].shape[-1]
            if len(strides) == len(split):
                raise _SeenEnoughError

        return hook

    for layer in find_layers(probe):
        vars(layer.module).pop(ATTRIBUTE, None)
    for name in split:
        probe.get_submodule(name).register_forward_pre_hook(note(name))
    try:
        with torch.no_grad():
            probe(torch.zeros(1, 3, size, size))
    except _SeenEnoughError:
        pass
    return [SplitLayer(name=name, areas=int(split[name].area), stride=strides[name]) for name in strides]  # type: ignore[arg-type]


def training_sizes(imgsz: int, multi_scale: float | None) -> list[tuple[int, int]]:
    """The sizes of training batches: one, or with `train.multi_scale` every multiple of 32 in its range."""
    spread = multi_scale or 0.0
    low, high = (round(imgsz * (1 + sign * spread)) for sign in (-1, 1))
    sides = [*range(max(STRIDE, low // STRIDE * STRIDE), high + STRIDE, STRIDE)] if spread else [imgsz]
    return [(side, side) for side in sides]


def _that_fit(layers: list[SplitLayer], height: int, width: int, key: str) -> str:
    fitting = [side for side in range(STRIDE, 4096, STRIDE) if all(layer.fits(side, side) for layer in layers)]
    if not fitting:
        return "No size fits: use another model"
    if height != width:  # batches of whole images keep their shape, whatever the size
        return f"Pad the images to squares, and set {key} to a multiple of {fitting[0]}"
    near = sorted(sorted(fitting, key=lambda side: (abs(side - height), -side))[:_NUM_NAMED])
    return f"Sizes that fit: set {key} to {', '.join(map(str, near[:-1]))} or {near[-1]}"


class _SeenEnoughError(Exception):
    """Ends the pass when every layer was seen."""
