"""Outlines of leaves: a curved midrib and a width along it, one function of width for each kind of leaf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_STEPS = 26
_T = np.linspace(0.0, 1.0, _STEPS)


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One leaf in the plane, x to the right and y down, in any unit.

    Attributes:
        midrib: (T, 2), from the stem to the tip.
        left, right: (T, 2), the two edges at the same places.
    """

    midrib: FloatArray
    left: FloatArray
    right: FloatArray

    @property
    def outline(self) -> FloatArray:
        """The closed outline, (2 T, 2)."""
        return np.concatenate((self.left, self.right[::-1]))


Profile = Callable[[FloatArray], FloatArray]


def ovate(t: FloatArray) -> FloatArray:
    """A stalk of a quarter of the length, then an egg: beets, lettuce."""
    blade = np.clip((t - 0.24) / 0.76, 0.0, 1.0)
    width: FloatArray = np.maximum(0.085 * (t < 0.5), np.sqrt(np.clip(blade * (1 - blade) * 4, 0, None)))
    return width * (1.0 - 0.22 * blade) * (t < 0.999)


def disc(t: FloatArray) -> FloatArray:
    """A short stalk and a nearly round blade: seedlings, mallow."""
    blade = np.clip((t - 0.18) / 0.82, 0.0, 1.0)
    width: FloatArray = np.maximum(0.06 * (t < 0.5), np.clip(blade * (1 - blade) * 4, 0, None) ** 0.38) * (t < 0.999)
    return width


def blade(t: FloatArray) -> FloatArray:
    """A grass blade: widest near the stem, a long taper."""
    width: FloatArray = (0.55 + 0.9 * t) * (1 - t) ** 0.8
    return width


def lobed(t: FloatArray) -> FloatArray:
    """A toothed and deeply lobed leaf: thistles, dandelions."""
    envelope = np.clip(t * (1 - t) * 4, 0, None) ** 0.6 * (0.55 + 0.6 * t)
    phase = (t * 5.0) % 1.0
    return envelope * (0.30 + 0.85 * np.where(phase < 0.7, phase / 0.7, (1 - phase) / 0.3))


def make_leaf(
    profile: Profile, *, start: tuple[float, float], angle_rad: float, length: float, width: float, bend_rad: float
) -> Leaf:
    """A leaf that grows from `start` towards `angle_rad` and turns by `bend_rad` on its way to the tip.

    `length` and `width` (edge to edge at the widest place) are in the same unit.
    """
    heading = angle_rad + bend_rad * _T
    steps = np.stack((np.cos(heading), np.sin(heading)), axis=1) * (length / (_STEPS - 1))
    midrib = np.asarray(start) + np.cumsum(steps, axis=0) - steps[0]
    normal = np.stack((-np.sin(heading), np.cos(heading)), axis=1)
    half = (profile(_T) * width / 2)[:, None]
    return Leaf(midrib=midrib, left=midrib - normal * half, right=midrib + normal * half)
