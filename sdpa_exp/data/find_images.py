"""The pictures of one split: the images of folders and lists, links followed, and where the label of each is.

A link is taken for what it stands for: a linked folder is walked, and a label is looked for beside the link's own path
first, then where the link leads. What lies there and can't be used is collected, so that it can be named; Ultralytics
passes over it in silence.
"""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from PIL import Image

from sdpa_exp.errors import DatasetError

# Source: IMG_FORMATS in ultralytics/data/utils.py of the pinned version
IMAGE_SUFFIXES = frozenset(
    f".{s}"
    for s in "avif bmp dng heic heif jp2 jpeg jpg mpo png tif tiff webp".split()  # noqa: SIM905
)
SPLIT_NAMES = {"train": ("train",), "val": ("val", "validation", "valid"), "test": ("test",)}
"""What a split may be called."""
_LISTS_OF_NAMES = frozenset({"classes.txt", "labels.txt", "obj.names.txt"})  # written by labelling tools


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image and where its label is, or would be.

    Attributes:
        name: relative to the data set, with forward slashes.
        content: the bytes of its label, where they were made of another format's `label`.
    """

    image: Path
    label: Path
    name: str
    content: bytes | None = None


@dataclass(kw_only=True)
class Found:
    """What the places of a split hold.

    Attributes:
        pictures: in the order of their names; an image that is listed twice is here twice, as it is in training.
        unread: files with the suffix of a picture that Ultralytics does not read, and lines of lists without one.
        lonely: label files without an image.
        beyond_links: labels that were found where a link leads, and not beside it.
    """

    pictures: list[Picture] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    lonely: list[Path] = field(default_factory=list)
    beyond_links: list[Path] = field(default_factory=list)


def find_pictures(values: Sequence[object], root: Path, *, origin: Path, split: str) -> Found:
    """The pictures of the folders, images and lists that a data set names for a split.

    Raises:
        DatasetError: a place does not exist or can't be read, holds no images, or has its labels in the wrong place.
    """
    found = Found()
    images: list[Path] = []
    for value in values:
        place = _place(str(value), root)
        if place is None:
            raise DatasetError(
                f"{origin} says {split}: {value}, and {root / str(value)} does not exist. "
                f"Relative paths start at {root}."
            )
        images += _listed(place, found) if place.is_file() else _in_folder(place, found)
    if not images:
        where = ", ".join(str(_place(str(value), root)) for value in values)
        wanted = f"expected files ending in {', '.join(sorted(IMAGE_SUFFIXES))}"
        unread = f", and found only {', '.join(found.unread[:3])}" if found.unread else ""
        raise DatasetError(f"No {split} images in {where}: {wanted}{unread}.")
    pictures = [Picture(image=image, label=_label_of(image, found), name=_name(image, root)) for image in images]
    found.pictures = sorted(pictures, key=lambda picture: (picture.name, str(picture.image)))
    _refuse_labels_beside(found.pictures, origin)
    return found


def absolute(path: Path) -> Path:
    """The path with its links kept, but for one with `..` in it: what is above a link depends on where it leads."""
    return path.resolve() if ".." in path.parts else path.absolute()


def _place(value: str, root: Path) -> Path | None:
    """A named place, absolute; Roboflow writes `../train/images` and means `train/images`, as Ultralytics knows too."""
    options = [root / value, *([root / value[3:]] if value.startswith("../") else [])]
    return next((absolute(option) for option in options if option.exists()), None)


def _in_folder(folder: Path, found: Found) -> list[Path]:
    images: list[Path] = []
    unknown = frozenset(Image.registered_extensions()) - IMAGE_SUFFIXES
    for place, names in walk(folder):
        here = [place / name for name in names if PurePath(name).suffix.lower() in IMAGE_SUFFIXES]
        images += here
        found.unread += [str(place / name) for name in names if PurePath(name).suffix.lower() in unknown]
        labels = label_path(place / "x").parent
        if labels.is_dir():
            stems = {image.stem for image in here}
            found.lonely += [
                label
                for label in sorted(labels.iterdir())
                if label.suffix.lower() == ".txt"
                and label.name not in _LISTS_OF_NAMES
                and (label.stem not in stems or label.suffix != ".txt")
            ]
    return images


def files_below(folder: Path, suffixes: Container[str]) -> list[Path]:
    """Every file below a folder whose suffix, in lower case, is one of these; as `walk` finds them.

    Raises:
        DatasetError: as `walk`.
    """
    files = [place / name for place, names in walk(folder) for name in names]
    return [file for file in files if file.suffix.lower() in suffixes and "__MACOSX" not in file.parts]


def walk(folder: Path) -> list[tuple[Path, list[str]]]:
    """Every folder below this one, links followed and hidden ones left out, with the names of its files.

    Raises:
        DatasetError: a folder can't be read, or a link leads nowhere or to a folder that it is in.
    """

    def refuse(error: OSError) -> None:
        raise DatasetError(f"{error.filename} can't be read: {error.strerror}. Give yourself the right to read it.")

    found = []
    for path, folders, all_names in os.walk(folder, followlinks=True, onerror=refuse):
        place = Path(path)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = sorted(name for name in all_names if not name.startswith("."))
        above = {os.path.realpath(each) for each in (place, *place.parents)}
        for name in folders:
            if os.path.islink(place / name) and os.path.realpath(place / name) in above:
                raise DatasetError(f"{place / name} is a link to a folder that it is in: it has no end. Remove it.")
        for name in names:
            if not os.path.exists(place / name) and PurePath(name).suffix.lower() not in IMAGE_SUFFIXES:
                target = os.readlink(place / name)
                raise DatasetError(f"{place / name} is a link to {target}, which does not exist. Mend or remove it.")
        found.append((place, names))
    return found


def _listed(list_file: Path, found: Found) -> list[Path]:
    """Images named in a .txt list: absolute, or relative to the list, with or without `./`; or the image itself."""
    if list_file.suffix.lower() in IMAGE_SUFFIXES:
        return [list_file]
    try:
        lines = list_file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{list_file} is no list of images: it is not UTF-8 text ({error}).") from error
    entries = [line.strip() for line in lines if line.strip()]
    is_image = [PurePath(entry).suffix.lower() in IMAGE_SUFFIXES for entry in entries]
    found.unread += [f"'{entry}' in {list_file}" for entry, reads in zip(entries, is_image, strict=True) if not reads]
    return [list_file.parent / entry for entry, reads in zip(entries, is_image, strict=True) if reads]


def label_path(image: Path) -> Path:
    """Ultralytics' rule: the last `images` folder of the path becomes `labels`; without one, beside the image."""
    parts = list(image.parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            parts[i] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _label_of(image: Path, found: Found) -> Path:
    """The label beside the path as it is written, else beside where its links lead.

    Raises:
        DatasetError: there is one in both places, and they differ.
    """
    own, real = label_path(image), Path(os.path.realpath(image))
    other = label_path(real)
    if real == image or not other.is_file():
        return own
    if not own.is_file():
        found.beyond_links.append(other)
        return other
    if not own.samefile(other) and own.read_bytes() != other.read_bytes():
        raise DatasetError(
            f"{image} is a link and has two labels that differ: {own}, beside the link, and {other}, where it leads. "
            "Expected one, or the same in both places: remove the wrong one, or copy the image."
        )
    return own


def _refuse_labels_beside(pictures: Sequence[Picture], origin: Path) -> None:
    """Labels in `images/`, where Ultralytics does not look: it would train on these images as empty ones."""
    beside = [p for p in pictures if not p.label.is_file() and p.image.with_suffix(".txt").is_file()]
    if beside:
        raise DatasetError(
            f"{origin} has {len(beside)} image{'s' if len(beside) > 1 else ''} with a label beside "
            f"{'them' if len(beside) > 1 else 'it'}, such as {beside[0].image.with_suffix('.txt')}, where Ultralytics "
            f"does not look: a folder named images has its labels in one named labels. Move them to "
            f"{beside[0].label.parent}."
        )


def _name(image: Path, root: Path) -> str:
    try:
        return image.relative_to(root).as_posix()
    except ValueError:  # outside of the root, as a list may name it
        return image.name
