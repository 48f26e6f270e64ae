"""Pascal VOC's annotation files: one XML for each image, and the lists of a split in ImageSets/Main.

Source of the rules: the download script of VOC.yaml of the pinned Ultralytics, which leaves out what is marked
difficult and counts pixels from 1.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sdpa_exp.config.schema import AnnotatedDataset
from sdpa_exp.data.annotations import Annotated, Annotations, Box, ImageIndex, split_named_in, unused
from sdpa_exp.data.find_images import SPLIT_NAMES, files_below
from sdpa_exp.data.prepared_dataset import IMAGE, LeftOut
from sdpa_exp.errors import DatasetError


def voc_lists(dataset: AnnotatedDataset, root: Path) -> dict[str, Path]:
    """Split -> the list or folder that says what is in it: as the setting names them, else in ImageSets/Main."""
    named = {split: root / getattr(dataset, split) for split in SPLIT_NAMES if getattr(dataset, split)}
    for split, place in named.items():
        if not place.exists():
            raise DatasetError(
                f"dataset.{split}={getattr(dataset, split)} does not exist below {root}: set it to a folder with XML "
                "files, or to a .txt list of their names."
            )
    if named:
        return named
    mains: dict[Path, dict[str, Path]] = defaultdict(dict)
    for path in files_below(root, {".txt"}):
        if path.parent.name == "Main" and path.stem in SPLIT_NAMES:
            mains[path.parent][path.stem] = path
    whole = [lists for lists in mains.values() if {"train", "val"} <= set(lists)]
    if len(whole) > 1:
        raise DatasetError(
            f"{root} has lists of splits in {len(whole)} folders, such as {next(iter(whole[1].values())).parent}. "
            "Set dataset.path to the one above ImageSets/, or name the lists: dataset.train=... dataset.val=..."
        )
    return whole[0] if whole else {}


def read_voc(dataset: AnnotatedDataset, root: Path, xmls: list[Path]) -> Annotations:
    """What the annotation files say; images are looked for below `root`.

    Raises:
        DatasetError: there are none, or a list names what is not there.
    """
    lists = voc_lists(dataset, root)
    splits = _splits_of(lists, xmls)
    index = ImageIndex(root)
    found = Annotations(class_names=(), pictures=[])
    outside = 0
    for path in xmls:
        split = splits.get(path) if lists else split_named_in(path.relative_to(root))
        if lists and split is None:
            outside += 1
            continue
        try:
            picture = _read(path, split, index)
        except (ET.ParseError, ValueError) as error:
            name = path.relative_to(root).as_posix()
            found.lost.append(LeftOut(split=split or "", image=name, what=IMAGE, why=f"can't be read: {error}"))
            continue
        if isinstance(picture, LeftOut):
            found.lost.append(picture)
        elif picture is not None:
            found.pictures.append(picture)
    if not found.pictures and not found.lost:
        raise DatasetError(
            f"{root} holds no Pascal VOC annotations: expected an .xml with <annotation> for each image."
        )
    found.class_names = tuple(sorted({box.class_name for picture in found.pictures for box in picture.boxes}))
    if outside:
        found.notes.append(f"{outside} annotation{'s are' if outside > 1 else ' is'} in no list of a split, not used.")
    else:
        found.notes += unused(index.images, found.pictures, "an XML file")
    return found


def _splits_of(lists: dict[str, Path], xmls: Sequence[Path]) -> dict[Path, str]:
    """XML -> split, as lists and folders say; a name that is in two splits is refused."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in xmls:
        by_stem[path.stem].append(path)
    found: dict[Path, str] = {}
    for split, place in lists.items():
        if place.is_dir():
            members = [path for path in xmls if place in path.parents]
        else:
            words = [line.split()[0] for line in place.read_text(encoding="utf-8-sig").splitlines() if line.split()]
            stems = [_stem(word) for word in words]
            missing = [stem for stem in stems if stem not in by_stem]
            if missing:
                raise DatasetError(
                    f"{place} names {len(missing)} of {len(stems)} images that have no XML, such as {missing[0]}: add "
                    f"{missing[0]}.xml, or take the lines out."
                )
            members = [path for stem in dict.fromkeys(stems) for path in by_stem[stem]]
        for path in members:
            if found.setdefault(path, split) != split:
                raise DatasetError(f"{path.stem} is in {found[path]} and in {split}: expected it in one. Mend {place}.")
    return found


def _stem(word: str) -> str:
    name = word.replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and suffix.lower() in ("jpg", "jpeg", "png", "xml", "bmp", "tif", "tiff", "webp") else name


def _read(path: Path, split: str | None, index: ImageIndex) -> Annotated | LeftOut | None:
    """The picture of an XML; None for one of something else.

    Raises:
        ValueError: it is malformed.
    """
    content = path.read_bytes()
    if b"<!ENTITY" in content:
        raise ValueError("it defines entities, which an annotation has no use for")
    tree = ET.fromstring(content)  # noqa: S314 - without entities nothing grows
    if tree.tag != "annotation":
        return None
    image = index.find(path.stem, beside=path, split=split)
    if isinstance(image, str):
        image = index.find(tree.findtext("filename") or path.stem, beside=path, split=split)
    name = index.name_of(path)
    if isinstance(image, str):
        return LeftOut(split=split or "", image=name, what=IMAGE, why=f"names an image that {image}")
    boxes, faults = [], []
    for number, each in enumerate(tree.iter("object"), start=1):
        class_name = (each.findtext("name") or "").strip()
        corners = [_number(each.findtext(f"bndbox/{key}")) for key in ("xmin", "ymin", "xmax", "ymax")]
        if not class_name or not all(map(math.isfinite, corners)):
            faults.append(f"has object {number} without a name, or without xmin, ymin, xmax and ymax in {path.name}")
            continue
        x0, y0, x1, y1 = (corner - 1 for corner in corners)
        is_difficult = _number(each.findtext("difficult")) == 1
        skipped = "the mark difficult, which Pascal VOC doesn't count" if is_difficult else None
        boxes.append(Box(class_name=class_name, x0=x0, y0=y0, x1=x1, y1=y1, skipped=skipped))
    width, height = (_number(tree.findtext(f"size/{key}")) for key in ("width", "height"))
    return Annotated(
        image=image,
        name=index.name_of(image),
        split=split,
        size=(int(width), int(height)) if width > 0 and height > 0 else None,  # some tools write 0
        boxes=tuple(boxes),
        faults=tuple(faults),
    )


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
