"""Images and videos on disk for tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_images(folder: Path, count: int, size_px: tuple[int, int] = (64, 48)) -> list[Path]:
    """PNG images of noise, each with its number as the grey level of its first pixel."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        pixels = rng.integers(0, 255, (size_px[1], size_px[0], 3), dtype=np.uint8)
        pixels[0, 0] = number
        paths.append(folder / f"{number:03d}.png")
        cv2.imwrite(str(paths[-1]), pixels)
    return paths


def write_video(path: Path, count: int) -> Path:
    """A motion JPEG of grey frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(count):
        writer.write(np.full((48, 64, 3), 10 * number, dtype=np.uint8))
    writer.release()
    return path
