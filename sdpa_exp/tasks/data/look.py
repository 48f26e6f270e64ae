"""Looks at every picture of a prepared data set: its size, its labels, the digest of its bytes, and how it looks."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageOps

from sdpa_exp.data.find_images import IMAGE_SUFFIXES, SPLIT_NAMES
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.runs.limits import usable_cores
from sdpa_exp.tasks.data.objects import Object, to_object

SPLITS = tuple(SPLIT_NAMES)
_HASH_SIDE = 16
_HASH_DECODED_PX = 64
_MAX_THREADS = 8


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One picture.

    Attributes:
        split: train, val or test.
        index: its number in the split; for folders of classes in the order of their names.
        name: in the data set of the user.
        path: where it can be read.
        file_name: the user's, without folders.
        sha256: of the image's bytes.
        size_px: (width, height), turned as its EXIF says.
        look: 256 bits, whether each cell of a grid of grey is brighter than its left neighbour; packed into bytes.
        class_id: of the whole image, where the data set has folders of classes.
        content: the bytes of its label; None where there is no file.
        objects: what the label holds.
    """

    split: str
    index: int
    name: str
    path: Path
    file_name: str
    sha256: str
    size_px: tuple[int, int]
    look: NDArray[np.uint8]
    class_id: int | None
    content: bytes | None
    objects: tuple[Object, ...]


def look_at(prepared: PreparedDataset, purpose: str, root: Path | None, tell: Callable[[int, int], None]) -> list[Seen]:
    """All pictures, split by split.

    Args:
        prepared: the data set.
        purpose: Ultralytics' task, which says what a label means.
        root: the folder of the data set, which names are relative to; None where it has none.
        tell: is told how many pictures were looked at, and of how many.
    """
    has_classes = prepared.yaml_path.is_dir()
    found = list(_in_class_folders(prepared) if has_classes else _in_yaml(prepared.yaml_path))
    points = (prepared.keypoints or (0, 0))[1]
    root = _root([place.image.readlink() for place in found if place.image.is_symlink()], root)
    see = partial(_see, purpose=purpose, numbers=points, root=root)
    with ThreadPoolExecutor(min(_MAX_THREADS, usable_cores())) as pool:
        seen = []
        for picture in pool.map(see, found):
            seen.append(picture)
            tell(len(seen), len(found))
        return seen


def _root(targets: Sequence[Path], root: Path | None) -> Path | None:
    """The folder of the data set, if the images are in it; else (in a zip file, elsewhere) what they have in common."""
    if not targets or (root is not None and all(target.is_relative_to(root) for target in targets)):
        return root
    common = Path(os.path.commonpath([target.parent for target in targets]))
    return common.parent if common.name == "images" else common


@dataclass(frozen=True, kw_only=True)
class _Place:
    split: str
    index: int
    image: Path
    file_name: str
    class_id: int | None = None


def _in_yaml(yaml_path: Path) -> Iterator[_Place]:
    content = yaml.safe_load(yaml_path.read_text(encoding="utf-8"))
    for split in SPLITS:
        if split not in content:
            continue
        images = sorted(p for p in (yaml_path.parent / content[split]).iterdir() if p.suffix in IMAGE_SUFFIXES)
        for number, image in enumerate(images):
            index, own = _without_number(image.name)
            yield _Place(split=split, index=number if index is None else index, image=image, file_name=own)


def _in_class_folders(prepared: PreparedDataset) -> Iterator[_Place]:
    for split in SPLITS:
        images = sorted((prepared.yaml_path / split).glob("*/*"))
        images = [image for image in images if image.suffix.lower() in IMAGE_SUFFIXES]
        for number, image in enumerate(images):
            class_id = prepared.class_names.index(image.parent.name)
            yield _Place(split=split, index=number, image=image, file_name=image.name, class_id=class_id)


def _without_number(name: str) -> tuple[int | None, str]:
    """The number that names in our views of a data set start with, and the user's own name (linked_view.py)."""
    number, _, own = name.partition("_")
    return (int(number), own) if own and number.isdecimal() and len(number) >= 6 else (None, name)


def _see(place: _Place, *, purpose: str, numbers: int, root: Path | None) -> Seen:
    content = place.image.read_bytes()
    size_px, look = picture_of(place.image)
    label = place.image.parents[2] / "labels" / place.split / f"{place.image.stem}.txt"
    text = label.read_bytes() if place.class_id is None and label.is_file() else None
    rows = [line.split() for line in (text or b"").decode("utf-8-sig").splitlines()]
    objects = dict.fromkeys(to_object([float(word) for word in row], purpose, numbers) for row in rows if row)
    return Seen(
        split=place.split,
        index=place.index,
        name=_name(place, root),
        path=place.image,
        file_name=place.file_name,
        sha256=hashlib.sha256(content).hexdigest(),
        size_px=size_px,
        look=look,
        class_id=place.class_id,
        content=text,
        objects=tuple(objects),
    )


def _name(place: _Place, root: Path | None) -> str:
    """As the user calls it: where the link of our view leads, else without our number."""
    image = place.image
    if root is not None and image.is_symlink():
        return image.readlink().relative_to(root).as_posix()
    folders = [place.split] if place.class_id is None else [place.split, image.parent.name]
    return "/".join([*folders, place.file_name])


def picture_of(path: Path) -> tuple[tuple[int, int], NDArray[np.uint8]]:
    """Size in pixels and look of an image; JPEGs are decoded at an eighth of their size."""
    with Image.open(path) as image:
        width, height = image.size
        image.draft("L", (_HASH_DECODED_PX, _HASH_DECODED_PX))
        small = upright(image)
        is_turned = small.size != image.size and small.size == image.size[::-1]
        grid = small.convert("L").resize((_HASH_SIDE + 1, _HASH_SIDE), Image.Resampling.BOX)
    grey = np.asarray(grid, dtype=np.int16)
    return ((height, width) if is_turned else (width, height)), np.packbits(grey[:, 1:] > grey[:, :-1])


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says, as Ultralytics reads it; as it is where the EXIF can't be read."""
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, struct.error):
        return image
