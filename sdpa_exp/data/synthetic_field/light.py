"""Light and lens: the sun of one picture, and what exposure, haze, blur and the sensor do to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Sun:
    """Where shadows fall and how dark they are.

    Attributes:
        dx, dy: direction in which shadows fall, a unit vector in the picture.
        hardness: 0 (overcast) to 1 (clear noon).
        shadow_length: in heights of the thing that casts it.
    """

    dx: float
    dy: float
    hardness: float
    shadow_length: float


@dataclass(frozen=True, kw_only=True)
class Lens:
    """What happens to the picture after the light.

    Attributes:
        gain_bgr: exposure times white balance.
        haze: share of a flat veil, 0 to 0.12.
        vignette: loss of light in the corners, 0 to 0.25.
        tilt: change of light from one side of the picture to the other, 0 to 0.2.
        blur: standard deviation of defocus as a fraction of the picture.
        motion: length of motion blur as a fraction of the picture, along `motion_angle_rad`.
        noise: standard deviation of sensor noise, 0..255.
    """

    gain_bgr: tuple[float, float, float]
    haze: float
    vignette: float
    tilt: float
    tilt_angle_rad: float
    blur: float
    motion: float
    motion_angle_rad: float
    noise: float


def draw_sun(rng: np.random.Generator) -> Sun:
    """Choose the light of one picture."""
    angle = rng.uniform(0, 2 * np.pi)
    return Sun(
        dx=float(np.cos(angle)),
        dy=float(np.sin(angle)),
        hardness=float(rng.beta(1.6, 1.3)),
        shadow_length=float(rng.uniform(0.25, 0.9)),
    )


def draw_lens(rng: np.random.Generator, sun: Sun) -> Lens:
    """Choose the camera of one picture; hard sun is warmer and needs less exposure."""
    warmth = 0.05 * (sun.hardness - 0.5) + rng.normal(0, 0.025)
    exposure = rng.normal(1.03, 0.11)
    is_moving = rng.random() < 0.2
    return Lens(
        gain_bgr=(float(exposure * (1 - warmth)), float(exposure), float(exposure * (1 + warmth))),
        haze=float(rng.uniform(0, 0.10)),
        vignette=float(rng.uniform(0, 0.22)),
        tilt=float(rng.uniform(0, 0.16)),
        tilt_angle_rad=float(rng.uniform(0, 2 * np.pi)),
        blur=float(rng.choice((0.0, 0.0007, 0.0014, 0.0022), p=(0.4, 0.3, 0.2, 0.1))),
        motion=float(rng.uniform(0.003, 0.008)) if is_moving else 0.0,
        motion_angle_rad=float(rng.uniform(0, np.pi)),
        noise=float(rng.uniform(0.8, 3.2)),
    )


def take_picture(rng: np.random.Generator, scene: NDArray[np.uint8], lens: Lens) -> NDArray[np.uint8]:
    """Apply the lens to a rendered scene, (S, S, 3) BGR in and out."""
    size_px = scene.shape[0]
    picture: NDArray[Any] = scene.astype(np.float32)
    if lens.motion * size_px >= 1.0:
        picture = cv2.filter2D(picture, -1, _motion_kernel(lens.motion * size_px, lens.motion_angle_rad))
    if lens.blur * size_px >= 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), lens.blur * size_px)
    axis = (np.arange(size_px, dtype=np.float32) + 0.5) / size_px - 0.5
    x, y = axis[None, :], axis[:, None]
    along = x * np.float32(np.cos(lens.tilt_angle_rad)) + y * np.float32(np.sin(lens.tilt_angle_rad))
    light = (1.0 + lens.tilt * along) * (1.0 - lens.vignette * 2.0 * (x * x + y * y))
    picture *= light[..., None]
    picture *= np.asarray(lens.gain_bgr, np.float32) * (1.0 - lens.haze)
    picture += np.asarray((178, 172, 165), np.float32) * lens.haze
    picture += rng.standard_normal((size_px, size_px, 1), dtype=np.float32) * lens.noise
    exposed: NDArray[np.uint8] = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    return exposed


def _motion_kernel(length_px: float, angle_rad: float) -> NDArray[np.float32]:
    reach = int(np.ceil(length_px / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    half = np.asarray((np.cos(angle_rad), np.sin(angle_rad))) * length_px / 2
    ends = np.round((reach + np.stack((-half, half))) * 16).astype(int)
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 1.0, 1, cv2.LINE_8, 4)
    kernel /= kernel.sum()
    return kernel
