"""Boxes in pixels, as other formats have them, and the lines of Ultralytics' labels that they become.

What is no fault of a file, and can't be trained on all the same, is skipped and counted, such as a box without width.
What shows that file and image don't belong together, or that a value is broken, is a fault.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from sdpa_exp.data.find_images import IMAGE_SUFFIXES, SPLIT_NAMES, files_below
from sdpa_exp.data.image_file import image_size
from sdpa_exp.data.prepared_dataset import BOX, LeftOut
from sdpa_exp.runs.files import LEFT_OUT_FILE

_SPLITS = {name: split for split, names in SPLIT_NAMES.items() for name in names}
_MARGIN_PX = 1  # whether the first pixel is 0 or 1 differs from tool to tool
_NO_SIZE = "no width or height"
_OUTSIDE = "no part inside its picture"


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box in pixels from the upper left corner; `skipped` says why it isn't for training, as its file has it."""

    class_name: str
    x0: float
    y0: float
    x1: float
    y1: float
    skipped: str | None = None


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """A picture as an annotation file describes it.

    Attributes:
        split: None where the files don't say.
        size: (width, height) in pixels that the boxes are for; None where the file doesn't say.
        faults: what is wrong with its boxes.
    """

    image: Path
    name: str
    split: str | None
    size: tuple[int, int] | None
    boxes: tuple[Box, ...]
    faults: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Annotations:
    """What the annotation files of a data set say.

    Attributes:
        lost: images and files that can't be a picture at all, with why.
        notes: sentences about what was not used.
    """

    class_names: tuple[str, ...]
    pictures: list[Annotated]
    lost: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Label:
    """The lines of one picture, with what was skipped, and its faults."""

    text: str
    skipped: tuple[str, ...]
    faults: tuple[str, ...]
    num_clipped: int


def to_label(picture: Annotated, class_ids: dict[str, int]) -> Label:
    """Boxes as Ultralytics' lines: class, middle x and y, width, height, in fractions of the picture."""
    real = image_size(picture.image)
    size = picture.size or real
    if size is None:
        return Label(text="", skipped=(), faults=(*picture.faults, "has no size"), num_clipped=0)
    faults = list(picture.faults)
    if real is not None and real != size:
        faults.append(
            f"is {real[0]} x {real[1]} px, and its annotation says {size[0]} x {size[1]}: its boxes are of another "
            "image, or of this one before it was scaled or turned"
        )
    lines, skipped, num_clipped = [], [], 0
    for box in picture.boxes:
        corners = (box.x0, box.y0, box.x1, box.y1)
        x0, x1 = _clip(box.x0, size[0]), _clip(box.x1, size[0])
        y0, y1 = _clip(box.y0, size[1]), _clip(box.y1, size[1])
        if box.skipped is not None:
            skipped.append(box.skipped)
        elif box.x0 == box.x1 or box.y0 == box.y1:
            skipped.append(_NO_SIZE)
        elif box.x1 < box.x0 or box.y1 < box.y0:
            faults.append(
                f"has a box from {box.x0:g}, {box.y0:g} to {box.x1:g}, {box.y1:g}: its end is before its start"
            )
        elif x0 >= x1 or y0 >= y1:
            skipped.append(_OUTSIDE)
        else:
            numbers = ((x0 + x1) / 2 / size[0], (y0 + y1) / 2 / size[1], (x1 - x0) / size[0], (y1 - y0) / size[1])
            lines.append(" ".join([str(class_ids[box.class_name]), *(f"{number:.8f}" for number in numbers)]) + "\n")
            num_clipped += max(abs(a - b) for a, b in zip((x0, y0, x1, y1), corners, strict=True)) > _MARGIN_PX
    return Label(text="".join(lines), skipped=tuple(skipped), faults=tuple(faults), num_clipped=num_clipped)


def sentences_of_skipped(left_out: Sequence[LeftOut], num_kept: int) -> list[str]:
    """How many boxes were skipped and why; `num_kept` are the others."""
    skipped = [each for each in left_out if each.what == BOX]
    sentences = []
    for why, num in Counter(each.why for each in skipped).items():
        names = list(dict.fromkeys(each.image for each in skipped if each.why == why))
        some = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
        verbs = ("have", "were") if num > 1 else ("has", "was")
        sentences.append(
            f"{num} of {num_kept + len(skipped)} boxes {verbs[0]} {why}, and {verbs[1]} left out for all arms alike "
            f"({some}); {LEFT_OUT_FILE} in each run folder lists all."
        )
    return sentences


class ImageIndex:
    """The images below a folder, found by names that may leave out folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = files_below(root, IMAGE_SUFFIXES)
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for image in self.images:
            self._by_name[image.name].append(image)
            self._by_stem[image.stem].append(image)

    def find(self, name: str, *, beside: Path, split: str | None) -> Path | str:
        """The image of this name, or why there is none.

        Args:
            name: file name, with or without folders and suffix.
            beside: the file that names it.
            split: that the file is for.
        """
        wanted = PurePath(name.replace("\\", "/"))
        found = self._by_name.get(wanted.name) or self._by_stem.get(wanted.name) or self._by_stem.get(wanted.stem)
        if not found:
            return "does not exist"
        ranked = sorted(((self._rank(image, wanted, beside, split), image) for image in found), reverse=True)
        if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
            return f"could be {ranked[1][1]} or {ranked[0][1]}"
        return ranked[0][1]

    def name_of(self, image: Path) -> str:
        """Relative to the data set, with forward slashes."""
        return image.relative_to(self.root).as_posix()

    def _rank(self, image: Path, wanted: PurePath, beside: Path, split: str | None) -> tuple[int, bool, bool]:
        tail = 0
        for ours, theirs in zip(reversed(image.parts[:-1]), reversed(wanted.parts[:-1]), strict=False):
            if ours != theirs:
                break
            tail += 1
        named = split_named_in(image.relative_to(self.root).parent)
        return tail, image.parent == beside.parent, split is not None and named == split


def split_named_in(path: PurePath) -> str | None:
    """The split that a relative path names, the last part first: `valid/a.json`, `instances_train2017.json`."""
    for part in reversed(path.parts):
        found = {_SPLITS[word] for word in re.findall(r"[a-z]+", part.lower()) if word in _SPLITS}
        if len(found) == 1:
            return found.pop()
    return None


def unused(images: Iterable[Path], pictures: Sequence[Annotated], what: str) -> list[str]:
    """A sentence about images that no annotation is for."""
    used = {picture.image for picture in pictures}
    left = [image.name for image in images if image not in used]
    if not left:
        return []
    some = ", ".join(left[:3]) + ", ..." * (len(left) > 3)
    return [f"{len(left)} image{'s' * (len(left) > 1)} without {what}, not used: nobody says what is on them ({some})."]


def _clip(value: float, limit: int) -> float:
    return min(max(value, 0.0), float(limit))
