"""Plants seen from above: a species is a colour and a way to arrange leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdpa_exp.data.synthetic_field.leaves import Leaf, Profile, blade, disc, lobed, make_leaf, ovate

Rng = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class Species:
    """A class of the data set.

    Attributes:
        leaf_bgr: mean colour of a leaf, 0..255.
        spread_bgr: standard deviation of that colour from plant to plant.
        rib_bgr: colour of the midrib.
        grow: (rng, diameter) -> leaves, lowest first, around the origin.
        height: of the plant, in diameters; it sets the length of its shadow.
    """

    name: str
    leaf_bgr: tuple[float, float, float]
    spread_bgr: float
    rib_bgr: tuple[float, float, float]
    grow: Callable[[Rng, float], list[Leaf]]
    height: float


def _rosette(rng: Rng, diameter: float) -> list[Leaf]:
    num, first = int(rng.integers(6, 10)), rng.uniform(0, 2 * np.pi)
    leaves = []
    for i in range(num):
        length = diameter / 2 * rng.uniform(0.85, 1.0) * (1 - 0.45 * i / num)
        angle = first + i * 2.399963 + rng.normal(0, 0.12)  # the golden angle
        width = length * rng.uniform(0.46, 0.58)
        leaves.append(_leaf(ovate, angle, length, width, rng.normal(0, 0.22)))
    return leaves


def _tuft(rng: Rng, diameter: float) -> list[Leaf]:
    num = int(rng.integers(9, 17))
    angles = rng.uniform(0, 2 * np.pi) + np.arange(num) * 2 * np.pi / num + rng.normal(0, 0.28, num)
    leaves = []
    for angle in rng.permutation(angles):
        length = diameter / 2 * rng.uniform(0.62, 1.05)
        leaves.append(_leaf(blade, angle, length, diameter * rng.uniform(0.05, 0.075), rng.normal(0, 0.55)))
    return leaves


def _broad(rng: Rng, diameter: float) -> list[Leaf]:
    first = rng.uniform(0, 2 * np.pi)
    leaves = []
    for pair in range(int(rng.integers(2, 4))):
        length = diameter / 2 * (1.0, 0.78, 0.42)[pair] * rng.uniform(0.92, 1.0)
        for side in (0.0, np.pi):
            angle = first + pair * np.pi / 2 + side + rng.normal(0, 0.1)
            leaves.append(_leaf(disc, angle, length, length * rng.uniform(0.68, 0.82), rng.normal(0, 0.12)))
    return leaves


def _thistle(rng: Rng, diameter: float) -> list[Leaf]:
    num, first = int(rng.integers(7, 11)), rng.uniform(0, 2 * np.pi)
    leaves = []
    for i in range(num):
        length = diameter / 2 * rng.uniform(0.8, 1.0) * (1 - 0.35 * i / num)
        angle = first + i * 2 * np.pi / num * 1.618 + rng.normal(0, 0.1)
        leaves.append(_leaf(lobed, angle, length, length * rng.uniform(0.40, 0.52), rng.normal(0, 0.25)))
    return leaves


def _leaf(profile: Profile, angle: float, length: float, width: float, bend: float) -> Leaf:
    return make_leaf(profile, start=(0.0, 0.0), angle_rad=angle, length=length, width=width, bend_rad=bend)


CROP = Species(name="crop", leaf_bgr=(46, 132, 74), spread_bgr=7, rib_bgr=(120, 190, 160), grow=_rosette, height=0.5)
WEEDS = (
    Species(name="grass", leaf_bgr=(62, 172, 160), spread_bgr=7, rib_bgr=(105, 200, 190), grow=_tuft, height=0.4),
    Species(name="amaranth", leaf_bgr=(76, 54, 102), spread_bgr=6, rib_bgr=(98, 88, 155), grow=_broad, height=0.3),
    Species(
        name="thistle", leaf_bgr=(140, 166, 134), spread_bgr=7, rib_bgr=(185, 205, 190), grow=_thistle, height=0.25
    ),
)
SPECIES = (CROP, *WEEDS)
CLASS_NAMES = tuple(species.name for species in SPECIES)
