"""COCO's annotation files: one JSON for each split, or a single one, and the images that they name.

Source of the format: cocodataset.org/#format-data; crowds are left out, as Ultralytics' convert_coco does.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdpa_exp.config.schema import AnnotatedDataset
from sdpa_exp.data.annotations import Annotated, Annotations, Box, ImageIndex, split_named_in, unused
from sdpa_exp.data.find_images import SPLIT_NAMES
from sdpa_exp.data.prepared_dataset import IMAGE, LeftOut
from sdpa_exp.errors import DatasetError

_OTHER_TASKS = ("captions", "panoptic", "stuff", "person_keypoints", "image_info")  # beside instances_*.json
_KEYS = ("images", "annotations", "categories")


@dataclass(frozen=True, kw_only=True)
class _File:
    path: Path
    split: str | None
    content: dict[str, Any]


def coco_files(dataset: AnnotatedDataset, root: Path, jsons: list[Path]) -> list[Path]:
    """The annotation files among the JSONs below a folder, or those that the setting names."""
    named = [root / name for name in (dataset.train, dataset.val, dataset.test) if name]
    for file in named:
        if not file.is_file():
            raise DatasetError(
                f"The annotation file {file} does not exist: set dataset.train, val or test to one below {root}."
            )
    return named or [path for path in jsons if not path.name.startswith(_OTHER_TASKS)]


def read_coco(dataset: AnnotatedDataset, root: Path, paths: list[Path]) -> Annotations:
    """What the annotation files say; images are looked for below `root`.

    Raises:
        DatasetError: a file is not readable, or two are for one split.
    """
    files = _chosen(dataset, root, [_read(dataset, root, path) for path in paths])
    index = ImageIndex(root)
    class_names = _class_names(files)
    found = Annotations(class_names=class_names, pictures=[])
    for file in files:
        _add_pictures(found, file, index)
    found.notes += unused(index.images, found.pictures, "an entry in the annotations")
    return found


def _read(dataset: AnnotatedDataset, root: Path, path: Path) -> _File:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} can't be read as JSON: {error}. Repair or remove it.") from error
    named = next(
        (split for split in SPLIT_NAMES if getattr(dataset, split) and root / getattr(dataset, split) == path),
        None,
    )
    is_coco = isinstance(content, dict) and all(isinstance(content.get(key), list) for key in _KEYS)
    if named and not is_coco:
        raise DatasetError(f"{path} holds no COCO annotations: expected lists of {', '.join(_KEYS)}.")
    return _File(path=path, split=named or split_named_in(path.relative_to(root)), content=content if is_coco else {})


def _chosen(dataset: AnnotatedDataset, root: Path, files: list[_File]) -> list[_File]:
    files = [file for file in files if file.content]
    if not files:
        raise DatasetError(f"{root} holds no COCO annotations: expected a .json with lists of {', '.join(_KEYS)}.")
    by_split: dict[str | None, list[_File]] = defaultdict(list)
    for file in files:
        by_split[file.split].append(file)
    if "train" in by_split:
        by_split.pop(None, None)
    for split, several in by_split.items():
        if len(several) > 1:
            names = ", ".join(file.path.relative_to(root).as_posix() for file in several)
            raise DatasetError(
                f"{root} has several annotation files for {split or 'no split that they name'}: {names}. Name one for "
                f"each split: dataset.train={several[0].path.relative_to(root).as_posix()} dataset.val=..."
            )
    return [several[0] for several in by_split.values()]


def _class_names(files: list[_File]) -> tuple[str, ...]:
    """Names of all files in the order of their ids; not the parent that Roboflow adds, which no box is of."""
    names: dict[str, None] = {}
    parents: set[str] = set()
    used: set[str] = set()
    for file in files:
        categories = _categories(file)
        used |= {
            categories.get(each.get("category_id"), "")
            for each in file.content["annotations"]
            if isinstance(each, dict)
        }
        parents |= {str(each.get("supercategory")) for each in file.content["categories"]}
        names.update(dict.fromkeys(categories[number] for number in sorted(categories)))
    return tuple(name for name in names if name not in parents or name in used)


def _categories(file: _File) -> dict[Any, str]:
    try:
        found = {int(each["id"]): str(each["name"]) for each in file.content["categories"]}
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{file.path} has a category without id or name ({error!r}): expected both.") from error
    if len(set(found.values())) < len(file.content["categories"]):
        raise DatasetError(f"{file.path} has a category twice, by id or name: expected each once.")
    return found


def _add_pictures(found: Annotations, file: _File, index: ImageIndex) -> None:
    categories = _categories(file)
    by_image: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for annotation in file.content["annotations"]:
        by_image[annotation.get("image_id")].append(annotation)
    for entry in file.content["images"]:
        name = str(entry.get("file_name"))
        image = index.find(name, beside=file.path, split=file.split)
        annotations = by_image.pop(entry.get("id"), [])
        if isinstance(image, str):
            found.lost.append(LeftOut(split=file.split or "", image=name, what=IMAGE, why=image))
            continue
        boxes, faults = _boxes(annotations, categories)
        width, height = entry.get("width"), entry.get("height")
        found.pictures.append(
            Annotated(
                image=image,
                name=index.name_of(image),
                split=file.split,
                size=(int(width), int(height)) if width and height else None,
                boxes=boxes,
                faults=faults,
            )
        )
    if by_image:
        num = sum(map(len, by_image.values()))
        found.notes.append(f"{file.path.name} has {num} boxes of images that it doesn't list, not used.")


def _boxes(annotations: list[dict[str, Any]], categories: dict[Any, str]) -> tuple[tuple[Box, ...], tuple[str, ...]]:
    boxes, faults = [], []
    for each in annotations:
        number, box = each.get("id"), each.get("bbox")
        try:
            x, y, width, height = (float(value) for value in box or ())
            if not all(abs(value) < 1e9 for value in (x, y, width, height)):
                raise ValueError
        except (TypeError, ValueError):
            faults.append(f"has annotation {number} with bbox {box}: expected [x, y, width, height] in pixels")
            continue
        if each.get("category_id") not in categories:
            faults.append(f"has annotation {number} of category_id {each.get('category_id')}, which no category has")
            continue
        skipped = "the mark iscrowd, around several objects" if each.get("iscrowd") else None
        name = categories[each["category_id"]]
        boxes.append(Box(class_name=name, x0=x, y0=y, x1=x + width, y1=y + height, skipped=skipped))
    return tuple(boxes), tuple(faults)
