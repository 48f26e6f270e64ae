"""Finds the pictures of a data.yaml or a folder in Ultralytics' format; nothing is opened yet but the yaml and lists.

Unlike Ultralytics, nothing depends on the working directory or on a settings file: relative paths start at the yaml.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from sdpa_exp.data.class_names import read_class_names
from sdpa_exp.data.yaml_mapping import read_mapping
from sdpa_exp.errors import DatasetError

# Source: IMG_FORMATS in ultralytics/data/utils.py of the pinned version
IMAGE_SUFFIXES = frozenset(
    f".{s}"
    for s in "avif bmp dng heic heif jp2 jpeg jpg mpo png tif tiff webp".split()  # noqa: SIM905
)
_VAL_KEYS = ("val", "validation", "valid")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image and where its label would be. `name` is relative to the data set, with forward slashes."""

    image: Path
    label: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class YoloSource:
    """What was found. `class_names` is None for a folder without a data.yaml."""

    origin: Path
    class_names: tuple[str, ...] | None
    train: tuple[Picture, ...]
    val: tuple[Picture, ...]


def find_source(path: Path) -> YoloSource:
    """Find the pictures of a data.yaml, or of a folder with or without one.

    Raises:
        DatasetError: something that is named does not exist, or holds no images.
    """
    if path.is_dir():
        yamls = sorted(p for pattern in ("*.yaml", "*.yml") for p in path.glob(pattern))
        named = [p for p in yamls if p.stem == "data"]
        if len(named or yamls) > 1:
            raise DatasetError(
                f"{path} holds several yaml files ({', '.join(p.name for p in yamls)}) and none is clearly the one: "
                f"set dataset.path to the one to use."
            )
        return _from_yaml((named or yamls)[0]) if yamls else _from_folder(path)
    if path.suffix not in {".yaml", ".yml"}:
        raise DatasetError(f"{path} is no data set: expected a data.yaml, or a folder with images/ and labels/.")
    return _from_yaml(path)


def _from_yaml(path: Path) -> YoloSource:
    content = read_mapping(path)
    channels = content.get("channels", 3)
    if channels != 3:
        raise DatasetError(f"{path} says channels: {channels}: expected pictures with 3 channels, no others are read.")
    root = path.parent
    if content.get("path"):
        root = (path.parent / str(content["path"])).resolve()
        if not root.is_dir():
            raise DatasetError(
                f"{path} says path: {content['path']}, and there is no folder {root}. "
                f"A relative path starts at the yaml file; remove the line if the images are beside it."
            )
    splits = {}
    for split, keys in (("train", ("train",)), ("val", _VAL_KEYS)):
        value: Any = next((content[key] for key in keys if content.get(key)), None)
        if value is None:
            raise DatasetError(f"{path} has no '{split}:' line: expected a folder, a list of folders or a .txt list.")
        values = value if isinstance(value, list) else [value]
        splits[split] = _pictures(values, root, origin=path, split=split)
    return YoloSource(origin=path, class_names=read_class_names(content, path), **splits)


def _from_folder(root: Path) -> YoloSource:
    splits = {}
    for split, names in (("train", ("train",)), ("val", _VAL_KEYS)):
        options = [p for name in names for p in (root / "images" / name, root / name / "images")]
        found = next((p for p in options if p.is_dir()), None)
        if found is None:
            raise DatasetError(
                f"{root} has no data.yaml and no {split} images: expected {options[0]} or {options[1]}, "
                f"with the labels under labels/ in the same way."
            )
        splits[split] = _pictures([str(found)], root, origin=root, split=split)
    return YoloSource(origin=root, class_names=None, **splits)


def _pictures(values: Sequence[object], root: Path, *, origin: Path, split: str) -> tuple[Picture, ...]:
    images: list[Path] = []
    for value in values:
        place = _place(str(value), root)
        if place is None:
            raise DatasetError(
                f"{origin} says {split}: {value}, and {root / str(value)} does not exist. "
                f"Relative paths start at {root}."
            )
        images += _listed(place) if place.is_file() else _in_folder(place)
    if not images:
        where = ", ".join(str(_place(str(value), root)) for value in values)
        raise DatasetError(
            f"No {split} images in {where}: expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    unique = dict.fromkeys(images)
    pictures = [Picture(image=i, label=_label_of(i), name=_name(i, root)) for i in unique]
    return tuple(sorted(pictures, key=lambda picture: (picture.name, str(picture.image))))


def _place(value: str, root: Path) -> Path | None:
    """A named place, absolute; Roboflow writes `../train/images` and means `train/images`, as Ultralytics knows too."""
    options = [root / value, *([root / value[3:]] if value.startswith("../") else [])]
    return next((option.resolve() for option in options if option.exists()), None)


def _in_folder(folder: Path) -> list[Path]:
    files = (p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    return [p for p in files if not any(part.startswith(".") for part in p.relative_to(folder).parts)]


def _listed(list_file: Path) -> list[Path]:
    """Images named in a .txt list: absolute, or relative to the list, with or without `./`."""
    try:
        lines = list_file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{list_file} is no list of images: it is not UTF-8 text ({error}).") from error
    entries = [line.strip() for line in lines if line.strip()]
    return [list_file.parent / entry for entry in entries if PurePath(entry).suffix.lower() in IMAGE_SUFFIXES]


def _label_of(image: Path) -> Path:
    """Ultralytics' rule: the last `images` folder of the path becomes `labels`; without one, beside the image."""
    parts = list(image.parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            parts[i] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _name(image: Path, root: Path) -> str:
    try:
        return image.relative_to(root.resolve()).as_posix()
    except ValueError:  # outside of the root, as a list may name it
        return image.name
