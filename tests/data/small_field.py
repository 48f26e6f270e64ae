"""A small data set in Ultralytics' format, written for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

YAML = "train: images/train\nval: images/val\nnames:\n  0: crop\n  1: weed\n"


def make_field(root: Path, num_train: int = 3, num_val: int = 2) -> Path:
    """A small data set on disk; returns its data.yaml."""
    rng = np.random.default_rng(0)
    for split, count in (("train", num_train), ("val", num_val)):
        (root / "images" / split).mkdir(parents=True)
        (root / "labels" / split).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "images" / split / f"p{i}.jpg", quality=90)
            (root / "labels" / split / f"p{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.2 0.3\n")
    (root / "data.yaml").write_text(YAML)
    return root / "data.yaml"
