"""Annotations of other formats as Ultralytics' labels: converted once, and kept in the cache by their content.

The images stay where they are; what Ultralytics reads is a view in the cache, as for any folder (linked_view.py).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sdpa_exp.config.schema import AnnotatedDataset
from sdpa_exp.data.annotations import Annotated, Annotations, to_label
from sdpa_exp.data.bad_files import first_named
from sdpa_exp.data.coco_json import coco_files, read_coco
from sdpa_exp.data.dataset_digest import bytes_digest, file_digest
from sdpa_exp.data.find_images import IMAGE_SUFFIXES, Found, Picture, files_below
from sdpa_exp.data.prepared_dataset import BOX, IMAGE, LeftOut
from sdpa_exp.data.split_by_seed import note_of_shares, share_out
from sdpa_exp.data.voc_xml import read_voc, voc_lists
from sdpa_exp.data.yolo_source import YoloSource
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.files import write_json_atomic

_VERSION = 1  # raise it with every change that moves a label
_log = logging.getLogger(__name__)


def converted_source(dataset: AnnotatedDataset, place: Path, cache: Path, wanted: Sequence[str]) -> YoloSource:
    """The pictures of COCO's or Pascal VOC's files, with the labels that their boxes become.

    Args:
        dataset: the setting, kind and all.
        place: folder with annotations and images; of COCO also the one JSON file.
        cache: our cache folder.
        wanted: splits that must be there.

    Raises:
        DatasetError: nothing is found, a split is missing, or a file has faults; up to ten are named.
    """
    root = place if place.is_dir() else place.parent.parent if place.parent.name == "annotations" else place.parent
    is_coco = dataset.kind == "coco_json"
    if place.is_dir():
        files = files_below(root, {".json" if is_coco else ".xml"})
        files = coco_files(dataset, root, files) if is_coco else files
    elif is_coco and place.suffix == ".json":
        files = [place]
    else:
        raise DatasetError(f"{place} is no data set: expected a folder or a zip file with annotations and images.")
    content = _converted(dataset, root, files, cache)
    return _source(dataset, place, content, wanted)


def _converted(dataset: AnnotatedDataset, root: Path, files: Sequence[Path], cache: Path) -> dict[str, Any]:
    """The conversion out of the cache, or made now."""
    memory = cache / "converted" / f"{_key(dataset, root, files)}.json"
    try:
        return json.loads(memory.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
    except (OSError, ValueError):
        pass
    if files:
        _log.info("converting the annotations of %s: %d file(s)", root, len(files))
    read = read_coco if dataset.kind == "coco_json" else read_voc
    content = _convert(dataset, root, read(dataset, root, list(files)))
    memory.parent.mkdir(parents=True, exist_ok=True)
    write_json_atomic(memory, content)
    return content


def _key(dataset: AnnotatedDataset, root: Path, files: Sequence[Path]) -> str:
    """Changes with every byte of an annotation, and with name, size or time of an image."""
    settings = {k: v for k, v in asdict(dataset).items() if k not in ("name", "path", "on_bad", "fraction", "limit")}
    lists = voc_lists(dataset, root).values() if dataset.kind == "voc_xml" else []
    listed = [file for file in lists if file.is_file()]
    annotations = [(str(file), file_digest(file)) for file in (*files, *listed)]
    states = [(str(image), image.stat()) for image in files_below(root, IMAGE_SUFFIXES) if image.exists()]
    images = [(path, state.st_size, state.st_mtime_ns) for path, state in states]
    text = json.dumps([_VERSION, str(root), settings, annotations, images])
    return bytes_digest(text.encode("utf-8", "surrogateescape"))[:24]


def _convert(dataset: AnnotatedDataset, root: Path, read: Annotations) -> dict[str, Any]:
    pictures = _with_splits(dataset, root, read)
    class_ids = {name: number for number, name in enumerate(read.class_names)}
    skipped: list[LeftOut] = []
    faults: list[LeftOut] = list(read.lost)
    labels, num_clipped = [], 0
    for picture, split in pictures:
        label = to_label(picture, class_ids)
        skipped += [LeftOut(split=split, image=picture.name, what=BOX, why=why) for why in label.skipped]
        faults += [LeftOut(split=split, image=picture.name, what=IMAGE, why=why) for why in label.faults[:1]]
        num_clipped += label.num_clipped
        labels.append({"split": split, "image": str(picture.image), "name": picture.name, "label": label.text})
    clipped = [f"Boxes that reach beyond their picture, cut at its edge: {num_clipped}."] if num_clipped else []
    return {
        "class_names": read.class_names,
        "pictures": labels,
        "skipped": [asdict(each) for each in skipped],
        "faults": [asdict(each) for each in faults],
        "notes": [*read.notes, *clipped],
    }


def _with_splits(dataset: AnnotatedDataset, root: Path, read: Annotations) -> list[tuple[Annotated, str]]:
    """Each picture with its split; where files name no val, train is shared out by the seed."""
    named = {picture.split for picture in read.pictures}
    if "val" in named:
        without = [picture for picture in read.pictures if picture.split is None]
        if without:
            num = len(without)
            read.notes.append(f"{num} annotated image{'s' * (num > 1)} of no split, not used ({without[0].name}).")
        return [(picture, picture.split) for picture in read.pictures if picture.split is not None]
    if dataset.val_share is None:
        raise DatasetError(f"{root} names no images for val: set dataset.val_share=0.2, which makes them of train.")
    single = [picture for picture in read.pictures if picture.split in (("train",) if "train" in named else (None,))]
    digests = [file_digest(picture.image) for picture in single]
    splits = share_out(digests, val_share=dataset.val_share, seed=dataset.split_seed)
    read.notes.append(note_of_shares(splits, val_share=dataset.val_share, seed=dataset.split_seed))
    tests = [(picture, "test") for picture in read.pictures if picture.split == "test"]
    return [*zip(single, splits, strict=True), *tests]


def _source(dataset: AnnotatedDataset, place: Path, content: dict[str, Any], wanted: Sequence[str]) -> YoloSource:
    faults = [LeftOut(**each) for each in content["faults"]]
    faults = [each for each in faults if not each.split or each.split in wanted]
    if faults and dataset.on_bad != "drop":
        raise DatasetError(
            f"{place} has {len(faults)} bad image{'s' * (len(faults) > 1)} of {len(content['pictures'])}. Repair or "
            "remove them, or set dataset.on_bad=drop, which leaves bad images out for all arms and lists them:"
            f"{first_named([f'{each.image} {each.why}' for each in faults])}"
        )
    bad = {each.image for each in faults}
    splits = {}
    for split in wanted:
        pictures = [
            Picture(image=Path(each["image"]), label=place, name=each["name"], content=each["label"].encode())
            for each in content["pictures"]
            if each["split"] == split and each["name"] not in bad
        ]
        if not any(picture.content for picture in pictures):
            raise DatasetError(
                f"{place} has {len(pictures)} {split} images, and no boxes for them: expected annotations for {split}. "
                "dataset.train, dataset.val and dataset.test name the files of each split."
            )
        splits[split] = Found(pictures=sorted(pictures, key=lambda picture: picture.name))
    skipped = [LeftOut(**each) for each in content["skipped"] if each["split"] in wanted]
    return YoloSource(
        origin=place,
        class_names=tuple(content["class_names"]),
        splits=splits,
        left_out=(*skipped, *faults),
        notes=tuple(content["notes"]),
    )
