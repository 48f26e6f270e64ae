"""Bare soil seen from above: layered noise shaded by the sun, furrows along the crop rows, stones and straw."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sdpa_exp.data.synthetic_field.light import Sun

# BGR, 0..255: loam, dry clay, red earth, grey silt, dark peat
_GROUND_BGR = ((64, 86, 108), (100, 122, 140), (66, 86, 122), (98, 110, 120), (50, 61, 72))


@dataclass(frozen=True, kw_only=True)
class Soil:
    """What the ground of one picture looks like.

    Attributes:
        base_bgr: mean colour, 0..255.
        roughness: height of clods, 0.5 (raked) to 1.5 (ploughed).
        furrow_period: distance of furrows as a fraction of the picture.
        row_angle_rad: direction of furrows and crop rows.
    """

    base_bgr: tuple[float, float, float]
    roughness: float
    furrow_period: float
    row_angle_rad: float


def draw_soil(rng: np.random.Generator, *, row_angle_rad: float, row_spacing: float) -> Soil:
    """Choose the ground of one picture."""
    base = np.asarray(_GROUND_BGR[rng.integers(len(_GROUND_BGR))]) * rng.normal(1.0, 0.02, 3) * rng.normal(1.0, 0.06)
    return Soil(
        base_bgr=(float(base[0]), float(base[1]), float(base[2])),
        roughness=float(rng.uniform(0.5, 1.5)),
        furrow_period=row_spacing / int(rng.integers(2, 5)),
        row_angle_rad=row_angle_rad,
    )


def layered_noise(rng: np.random.Generator, size_px: int, cells: tuple[int, ...], gain: float) -> NDArray[np.float32]:
    """Sum of smooth noise fields, one for each grid size in `cells`, each `gain` times as strong as the one before.

    Returns:
        (size_px, size_px), mean about 0, standard deviation about 1.
    """
    total = np.zeros((size_px, size_px), np.float32)
    weight, power = 1.0, 0.0
    for num_cells in cells:
        grid = rng.standard_normal((min(num_cells, size_px) + 1,) * 2, dtype=np.float32)
        total += np.float32(weight) * cv2.resize(grid, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
        power += weight**2
        weight *= gain
    total /= np.float32(power**0.5)
    return total


def render_soil(rng: np.random.Generator, soil: Soil, sun: Sun, size_px: int) -> NDArray[np.uint8]:
    """Render the ground.

    Returns:
        (size_px, size_px, 3), BGR.
    """
    clods = layered_noise(rng, size_px, (19, 37, 71, 113), 0.85)
    clods *= 0.6 + 0.4 * np.tanh(1.5 * layered_noise(rng, size_px, (4, 9), 0.8) + 0.5)  # rough and smooth patches
    crumbs = layered_noise(rng, size_px, (150, 240, 400), 0.9)
    height = 0.55 * np.tanh(1.3 * clods) * soil.roughness + 0.10 * crumbs + layered_noise(rng, size_px, (5, 11), 0.6)
    across = _distance_across_rows(size_px, soil.row_angle_rad)
    furrows = np.sin(across * np.float32(2 * np.pi / soil.furrow_period) + np.float32(rng.uniform(0, 6.28)))
    # relief is slope towards the sun; the step is in proportion to the picture so that resolution does not change it
    step = size_px / 320
    facing = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3, scale=step * sun.dx / 8)
    facing += cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3, scale=step * sun.dy / 8)
    shade = 1.0 - np.tanh(facing * 4.2) * (0.27 * sun.hardness + 0.12)
    shade += furrows * (0.07 * soil.roughness) - np.maximum(-clods - 0.6, 0.0) * 0.16  # gaps between clods are dark
    shade += crumbs * 0.06
    moist = layered_noise(rng, size_px, (3, 7), 0.7) * 0.06
    tint = layered_noise(rng, size_px, (9, 60, 240), 0.9)
    ground = np.empty((size_px, size_px, 3), np.float32)
    for channel, (base, hue) in enumerate(zip(soil.base_bgr, (0.035, 0.01, -0.02), strict=True)):
        ground[..., channel] = base * (shade + moist) * (1.0 + hue * tint)
    picture: NDArray[np.uint8] = np.clip(ground, 0, 255).astype(np.uint8)
    _scatter_stones(rng, picture, sun, num=int(rng.poisson(14 * soil.roughness)))
    _scatter_straw(rng, picture, sun, num=int(rng.poisson(rng.choice((0.5, 3.0, 12.0)))))
    return picture


def _distance_across_rows(size_px: int, row_angle_rad: float) -> NDArray[np.float32]:
    axis = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px
    across = axis[None, :] * -np.sin(row_angle_rad) + axis[:, None] * np.cos(row_angle_rad)
    return np.asarray(across, np.float32)


def _scatter_stones(rng: np.random.Generator, picture: NDArray[np.uint8], sun: Sun, *, num: int) -> None:
    size_px = picture.shape[0]
    for _ in range(num):
        radius = size_px * 0.004 * float(rng.lognormal(0.0, 0.5))
        axes = (_fixed(radius), _fixed(radius * rng.uniform(0.6, 0.95)))
        x, y = rng.uniform(0, size_px, 2)
        angle = float(rng.uniform(0, 180))
        local = picture[min(int(y), size_px - 1), min(int(x), size_px - 1)].astype(np.float32)
        shadow = (_fixed(x + sun.dx * radius * 0.7), _fixed(y + sun.dy * radius * 0.7))
        _ellipse(picture, shadow, axes, angle, local * (1 - 0.45 * sun.hardness))
        grey = float(rng.uniform(105, 175))
        body = 0.55 * local + 0.45 * np.asarray((grey, grey * 1.01, grey * 1.03))
        _ellipse(picture, (_fixed(x), _fixed(y)), axes, angle, body)
        lit = (_fixed(x - sun.dx * radius * 0.25), _fixed(y - sun.dy * radius * 0.25))
        _ellipse(picture, lit, (axes[0] // 2, axes[1] // 2), angle, body * 1.14)


def _scatter_straw(rng: np.random.Generator, picture: NDArray[np.uint8], sun: Sun, *, num: int) -> None:
    size_px = picture.shape[0]
    for _ in range(num):
        start = rng.uniform(0, size_px, 2)
        angle = rng.uniform(0, 2 * np.pi)
        length = size_px * rng.uniform(0.015, 0.07)
        middle = start + 0.5 * length * np.asarray((np.cos(angle), np.sin(angle))) + rng.normal(0, 0.04, 2) * length
        end = start + length * np.asarray((np.cos(angle), np.sin(angle)))
        line = np.stack((start, middle, end))
        colour = np.asarray((118, 168, 190)) * rng.uniform(0.6, 1.0)
        width = max(1, round(size_px * 0.0022))
        shadow = line + np.asarray((sun.dx, sun.dy)) * size_px * 0.003
        for points, bgr in ((shadow, (38, 48, 58)), (line, colour)):
            flat = [np.round(points * 16).astype(np.int32)]
            cv2.polylines(picture, flat, False, [float(c) for c in bgr], width, cv2.LINE_AA, 4)


def _ellipse(
    picture: NDArray[np.uint8],
    centre: tuple[int, int],
    axes: tuple[int, int],
    angle_deg: float,
    bgr: NDArray[np.floating],
) -> None:
    colour = [float(c) for c in np.clip(bgr, 0, 255)]
    cv2.ellipse(picture, centre, axes, angle_deg, 0, 360, colour, -1, cv2.LINE_AA, 4)


def _fixed(value: float) -> int:
    """A coordinate in the 1/16 px that OpenCV's `shift=4` means."""
    return round(float(value) * 16)
