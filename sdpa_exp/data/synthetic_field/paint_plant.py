"""Paints one plant into a small picture, with the exact mask of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdpa_exp.data.synthetic_field.leaves import Leaf
from sdpa_exp.data.synthetic_field.light import Sun
from sdpa_exp.data.synthetic_field.plants import Species

_SHIFT = 4  # OpenCV takes coordinates in 1/16 px
_OPAQUE = [255.0]


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


def paint_plant(rng: np.random.Generator, species: Species, sun: Sun, diameter_px: float) -> Sprite:
    """Grow one plant and paint it leaf by leaf; a leaf shades the ones below it, and its far half is darker."""
    leaves = species.grow(rng, diameter_px)
    edge = np.concatenate([leaf.outline for leaf in leaves])
    origin = np.floor(edge.min(axis=0)) - 1
    width, height = (int(v) for v in np.ceil(edge.max(axis=0)) + 2 - origin)
    bgr = np.zeros((height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    plant_bgr = np.asarray(species.leaf_bgr) + rng.normal(0, species.spread_bgr, 3) + rng.normal(0, 8)
    drop = np.asarray((sun.dx, sun.dy)) * diameter_px * 0.03
    rib_px = max(1, round(diameter_px * 0.018))
    for i, leaf in enumerate(leaves):
        depth = 0.80 + 0.28 * i / max(1, len(leaves) - 1)
        leaf_bgr = plant_bgr * depth * rng.normal(1.0, 0.045)
        if i and sun.hardness > 0.15:
            _shade(bgr, leaf.outline + (drop - origin), 1.0 - 0.38 * sun.hardness)
        left, right, midrib = (_fixed(line - origin) for line in (leaf.left, leaf.right, leaf.midrib))
        tilt = 0.13 * np.sign(_side(leaf, sun)) * (0.4 + sun.hardness)
        for half, gain in ((left, 1.0 + tilt), (right, 1.0 - tilt)):
            cv2.fillPoly(bgr, [np.concatenate((half, midrib[::-1]))], _colour(leaf_bgr * gain), cv2.LINE_8, _SHIFT)
        rib_bgr = np.asarray(species.rib_bgr) * depth * 0.5 + leaf_bgr * 0.5
        cv2.polylines(bgr, [midrib], False, _colour(rib_bgr), rib_px, cv2.LINE_8, _SHIFT)
        if np.abs(leaf.left[13] - leaf.right[13]).max() >= 14:  # wide enough for side veins to be seen
            cv2.polylines(bgr, _side_veins(leaf, origin), False, _colour(rib_bgr * 0.95), 1, cv2.LINE_8, _SHIFT)
        cv2.fillPoly(mask, [np.concatenate((left, right[::-1]))], _OPAQUE, cv2.LINE_8, _SHIFT)
        cv2.polylines(mask, [midrib], False, _OPAQUE, rib_px, cv2.LINE_8, _SHIFT)
    coarse = rng.standard_normal((height // 3 + 2, width // 3 + 2), dtype=np.float32)
    mottle = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    painted = np.clip(bgr * (1.0 + 0.07 * mottle[..., None]), 0, 255)
    return Sprite(bgr=painted.astype(np.uint8), mask=mask, x0=int(origin[0]), y0=int(origin[1]))


def _side(leaf: Leaf, sun: Sun) -> float:
    along = leaf.midrib[-1] - leaf.midrib[0]
    return float(along[1] * -sun.dx + along[0] * sun.dy)


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.asarray(np.rint(points * 2**_SHIFT), np.int32)


def _colour(bgr: NDArray[np.float64]) -> list[float]:
    return [min(max(channel, 0.0), 255.0) for channel in bgr.tolist()]


def _side_veins(leaf: Leaf, origin: NDArray[np.float64]) -> list[NDArray[np.int32]]:
    starts = np.arange(9, len(leaf.midrib) - 5, 4)
    veins = []
    for edge in (leaf.left, leaf.right):
        tips = leaf.midrib[starts] + (edge[starts + 3] - leaf.midrib[starts]) * 0.8
        veins += list(_fixed(np.stack((leaf.midrib[starts], tips), axis=1) - origin))
    return veins


def _shade(bgr: NDArray[np.uint8], outline: NDArray[np.float64], factor: float) -> None:
    """Darken what is already painted below an outline, given in pixels of `bgr`."""
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int), 0)
    high = np.ceil(outline.max(axis=0)).astype(int) + 1
    part = bgr[low[1] : high[1], low[0] : high[0]]
    if part.size == 0:
        return
    shadow = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(shadow, [_fixed(outline - low)], _OPAQUE, cv2.LINE_8, _SHIFT)
    cv2.copyTo(cv2.convertScaleAbs(part, alpha=factor), shadow, part)
