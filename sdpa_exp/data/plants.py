"""Plants seen from above: each species is a way to arrange leaves, painted into a small picture with its exact mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdpa_exp.data.leaves import Leaf, blade, disc, lobed, make_leaf, ovate
from sdpa_exp.data.light import Sun

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


@dataclass(frozen=True, kw_only=True)
class Sprite:
    """A painted plant. `x0`, `y0`: place of the upper left pixel, relative to the middle of the plant.

    Attributes:
        bgr: (H, W, 3).
        mask: (H, W), 255 where the plant is and 0 elsewhere.
    """

    bgr: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    x0: int
    y0: int


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


def _leaf(profile: Callable[..., NDArray[np.float64]], angle: float, length: float, width: float, bend: float) -> Leaf:
    return make_leaf(profile, start=(0.0, 0.0), angle_rad=angle, length=length, width=width, bend_rad=bend)


CROP = Species(name="crop", leaf_bgr=(46, 132, 74), spread_bgr=7, rib_bgr=(120, 190, 160), grow=_rosette, height=0.5)
WEEDS = (
    Species(name="grass", leaf_bgr=(62, 172, 160), spread_bgr=7, rib_bgr=(105, 200, 190), grow=_tuft, height=0.4),
    Species(name="broadleaf", leaf_bgr=(66, 78, 98), spread_bgr=7, rib_bgr=(80, 84, 150), grow=_broad, height=0.3),
    Species(
        name="thistle", leaf_bgr=(140, 166, 134), spread_bgr=7, rib_bgr=(185, 205, 190), grow=_thistle, height=0.25
    ),
)
SPECIES = (CROP, *WEEDS)
CLASS_NAMES = tuple(species.name for species in SPECIES)


def paint_plant(rng: Rng, species: Species, sun: Sun, diameter_px: float) -> Sprite:
    """Grow one plant and paint it leaf by leaf; a leaf shades the ones below it, and its far half is darker."""
    leaves = species.grow(rng, diameter_px)
    edge = np.concatenate([leaf.outline for leaf in leaves])
    x0, y0 = (int(v) for v in np.floor(edge.min(axis=0)) - 1)
    width, height = (int(v) for v in np.ceil(edge.max(axis=0)) + 2 - (x0, y0))
    bgr = np.zeros((height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    plant_bgr = np.asarray(species.leaf_bgr) + rng.normal(0, species.spread_bgr, 3) + rng.normal(0, 8)
    drop = np.asarray((sun.dx, sun.dy)) * diameter_px * 0.03
    rib_px = max(1, round(diameter_px * 0.018))
    for i, leaf in enumerate(leaves):
        depth = 0.80 + 0.28 * i / max(1, len(leaves) - 1)
        leaf_bgr = plant_bgr * depth * rng.normal(1.0, 0.045)
        if i and sun.hardness > 0.15:
            _shade(bgr, leaf.outline + drop, (x0, y0), 1.0 - 0.38 * sun.hardness)
        tilt = 0.13 * np.sign(_side(leaf, sun)) * (0.4 + sun.hardness)
        for half, gain in ((leaf.left, 1.0 + tilt), (leaf.right, 1.0 - tilt)):
            _fill(bgr, np.concatenate((half, leaf.midrib[::-1])), (x0, y0), leaf_bgr * gain)
        _veins(bgr, leaf, (x0, y0), np.asarray(species.rib_bgr) * depth * 0.5 + leaf_bgr * 0.5, rib_px)
        _fill(mask, leaf.outline, (x0, y0), np.asarray((255.0,)))
        _fill_line(mask, leaf.midrib, (x0, y0), np.asarray((255.0,)), rib_px)
    coarse = rng.standard_normal((height // 3 + 2, width // 3 + 2), dtype=np.float32)
    mottle = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    painted = bgr * (1.0 + 0.07 * mottle[..., None])
    return Sprite(bgr=np.clip(painted, 0, 255).astype(np.uint8), mask=mask, x0=x0, y0=y0)


def _side(leaf: Leaf, sun: Sun) -> float:
    along = leaf.midrib[-1] - leaf.midrib[0]
    return float(along[1] * -sun.dx + along[0] * sun.dy)


def _fixed(points: NDArray[np.float64], origin: tuple[int, int]) -> NDArray[np.int32]:
    return np.round((points - origin) * 16).astype(np.int32)


def _fill(
    target: NDArray[np.uint8], points: NDArray[np.float64], origin: tuple[int, int], colour: NDArray[np.float64]
) -> None:
    cv2.fillPoly(target, [_fixed(points, origin)], np.clip(colour, 0, 255).tolist(), cv2.LINE_8, 4)


def _fill_line(
    target: NDArray[np.uint8],
    points: NDArray[np.float64],
    origin: tuple[int, int],
    colour: NDArray[np.float64],
    px: int,
) -> None:
    cv2.polylines(target, [_fixed(points, origin)], False, np.clip(colour, 0, 255).tolist(), px, cv2.LINE_8, 4)


def _veins(
    bgr: NDArray[np.uint8], leaf: Leaf, origin: tuple[int, int], colour: NDArray[np.float64], rib_px: int
) -> None:
    _fill_line(bgr, leaf.midrib, origin, colour, rib_px)
    if np.abs(leaf.left[13] - leaf.right[13]).max() < 14:  # too narrow for side veins to be seen
        return
    starts = np.arange(9, len(leaf.midrib) - 5, 4)
    for edge in (leaf.left, leaf.right):
        tips = leaf.midrib[starts] + (edge[starts + 3] - leaf.midrib[starts]) * 0.8
        veins = _fixed(np.stack((leaf.midrib[starts], tips), axis=1), origin)
        cv2.polylines(bgr, list(veins), False, np.clip(colour * 0.95, 0, 255).tolist(), 1, cv2.LINE_8, 4)


def _shade(bgr: NDArray[np.uint8], outline: NDArray[np.float64], origin: tuple[int, int], factor: float) -> None:
    """Darken what is already painted below an outline."""
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - origin, 0)
    high = np.ceil(outline.max(axis=0)).astype(int) + 1 - origin
    part = bgr[low[1] : high[1], low[0] : high[0]]
    if part.size == 0:
        return
    shadow = np.zeros(part.shape[:2], np.uint8)
    corner = (int(low[0]) + origin[0], int(low[1]) + origin[1])
    _fill(shadow, outline, corner, np.asarray((255.0,)))
    dark = cv2.convertScaleAbs(part, alpha=factor)
    cv2.copyTo(dark, shadow, part)
