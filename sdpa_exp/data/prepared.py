"""What training needs to know of a data set that has been checked and can be loaded from anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class PreparedDataset:
    """A data set ready for Ultralytics.

    Attributes:
        yaml_path: absolute path of a data.yaml inside our cache; no working directory matters to it.
        digest: SHA-256 in hex over class names, relative file names, and the bytes of images and labels.
        warnings: sentences about what is odd but no reason to refuse.
    """

    yaml_path: Path
    digest: str
    class_names: tuple[str, ...]
    num_train_images: int
    num_val_images: int
    num_train_boxes: int
    num_val_boxes: int
    warnings: tuple[str, ...]
