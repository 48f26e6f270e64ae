"""A folder in our cache that shows a user's images by links, and holds copies of the labels.

Ultralytics writes beside what it reads: `labels/train.cache`, `.npy` files with cache=disk, and JPEGs that it restores
in place. In a view all of that lands in our cache, and the user's folder stays as it is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdpa_exp.data.build_once import build_once
from sdpa_exp.data.data_yaml import DATA_YAML, names_folder, write_data_yaml
from sdpa_exp.data.image_file import closed_jpeg

_MAX_NAME = 120


@dataclass(frozen=True, kw_only=True)
class ViewEntry:
    """One picture of a view. `label` is None for a picture without a label file."""

    split: str
    index: int
    image: Path
    is_open_ended: bool
    label: bytes | None

    @property
    def stem(self) -> str:
        """The number keeps the order and makes the name unique; the rest is the user's own name."""
        return f"{self.index:06d}_{self.image.stem[:_MAX_NAME]}"

    @property
    def image_name(self) -> str:
        """File name of the image in the view."""
        return self.stem + self.image.suffix.lower()


def build_view(
    folder: Path, entries: Sequence[ViewEntry], class_names: Sequence[str], keypoints: Mapping[str, Any] | None = None
) -> Path:
    """Build the view, or check the one that is there, and return the path of its data.yaml.

    Raises:
        DatasetError: the cache can't be written.
    """
    build_once(
        folder,
        build=lambda draft: _build(draft, folder, entries, class_names, keypoints),
        fault_of=lambda found: _fault(found, entries),
    )
    return folder / DATA_YAML


def _build(
    draft: Path,
    folder: Path,
    entries: Sequence[ViewEntry],
    class_names: Sequence[str],
    keypoints: Mapping[str, Any] | None,
) -> None:
    splits = list(dict.fromkeys(entry.split for entry in entries))
    for split in splits:
        (draft / "images" / split).mkdir(parents=True)
        (draft / "labels" / split).mkdir(parents=True)
    for entry in entries:
        target = draft / "images" / entry.split / entry.image_name
        if entry.is_open_ended:
            target.write_bytes(closed_jpeg(entry.image.read_bytes()))
        else:
            link(entry.image, target)
        if entry.label is not None:
            (draft / "labels" / entry.split / f"{entry.stem}.txt").write_bytes(entry.label)
    write_data_yaml(draft, folder, class_names, splits, keypoints)


def link(image: Path, target: Path) -> None:
    """A symbolic link; where the system forbids them (Windows without developer mode), a hard link, else a copy."""
    try:
        target.symlink_to(image)
    except OSError:
        try:
            os.link(image, target)
        except OSError:
            shutil.copy2(image, target)


def _fault(folder: Path, entries: Sequence[ViewEntry]) -> str | None:
    """What differs from a fresh view: a link that leads elsewhere, a missing or changed file, a surplus one."""
    try:
        expected: dict[str, set[str]] = {}
        for entry in entries:
            image = folder / "images" / entry.split / entry.image_name
            label = folder / "labels" / entry.split / f"{entry.stem}.txt"
            expected.setdefault(f"images/{entry.split}", set()).add(image.name)
            if entry.label is not None:
                expected.setdefault(f"labels/{entry.split}", set()).add(label.name)
                if label.read_bytes() != entry.label:
                    return f"{label.name} was changed"
            size = image.stat().st_size - (len(closed_jpeg(b"")) if entry.is_open_ended else 0)
            if size != entry.image.stat().st_size or (image.is_symlink() and image.readlink() != entry.image):
                return f"{image.name} is not the image it was made from"
        for place, names in expected.items():
            surplus = {p.name for p in (folder / place).iterdir() if p.suffix != ".npy"} - names
            if surplus:
                return f"{place} holds a file that is not ours: {min(surplus)}"
        if not names_folder(folder):
            return f"{DATA_YAML} names another folder"
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return None
