"""From the setting of a data set to its pictures: in whatever format, each of them becomes a `YoloSource`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from sdpa_exp.config.datasets import TAKES
from sdpa_exp.config.schema import (
    AnnotatedDataset,
    AnyDataset,
    FilesDataset,
    RoboflowDataset,
    SyntheticDataset,
    UltralyticsDataset,
    YoloDirDataset,
)
from sdpa_exp.data.converted import converted_source
from sdpa_exp.data.file_memory import file_digests
from sdpa_exp.data.find_images import Found, absolute
from sdpa_exp.data.other_format import other_format
from sdpa_exp.data.roboflow import roboflow_folder
from sdpa_exp.data.split_by_seed import note_of_shares, share_out
from sdpa_exp.data.ultralytics_data import ultralytics_data
from sdpa_exp.data.yolo_source import YoloSource, find_source
from sdpa_exp.data.zip_file import unpacked
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.purposes import CLASSIFY, DETECT, Purpose


def require_data(dataset: AnyDataset, split: str | None, purpose: Purpose, cache: Path) -> None:
    """Find the pictures before anything starts; annotations are converted by it. Arguments as `find_pictures_of`.

    Raises:
        DatasetError: as `find_pictures_of`.
    """
    if isinstance(dataset, SyntheticDataset):
        return
    if purpose is CLASSIFY and not isinstance(dataset, AnnotatedDataset):
        place_of(dataset, cache)
    else:
        find_pictures_of(dataset, split, cache, purpose)


def find_pictures_of(dataset: FilesDataset, split: str | None, cache: Path, purpose: Purpose = DETECT) -> YoloSource:
    """The pictures and labels that a setting means; no image is decoded.

    Args:
        dataset: where they are, and how they are described.
        split: one that must be there beside train and val.
        cache: our cache folder.
        purpose: of the model.

    Raises:
        DatasetError: the data set is not there, or something that it names isn't.
    """
    if isinstance(dataset, UltralyticsDataset):
        file, folder = ultralytics_data(dataset, cache)
        return find_source(file, split, folder)
    place = place_of(dataset, cache)
    try:
        return _pictures_in(place, dataset, split, cache, purpose)
    except DatasetError as error:
        hint = other_format(dataset.kind, place)
        if not hint:
            raise
        raise type(error)(f"{error}{hint}") from error


def _pictures_in(
    place: Path,
    dataset: YoloDirDataset | RoboflowDataset,
    split: str | None,
    cache: Path,
    purpose: Purpose,
) -> YoloSource:
    if not isinstance(dataset, AnnotatedDataset):
        if isinstance(dataset, YoloDirDataset):
            return _with_val(dataset, find_source(place, split, makes_val=dataset.val_share is not None), cache)
        return find_source(place, split)
    if purpose is not DETECT:
        raise DatasetError(
            f"dataset={dataset.kind} has boxes, and the model is for {purpose.predicts} ({purpose.name}): choose a "
            "model for boxes, such as model=yolo12n, or give labels of that kind with dataset=yolo_dir."
        )
    try:
        return converted_source(dataset, place, cache, list(dict.fromkeys(["train", "val", split or "val"])))
    except OSError as error:
        raise DatasetError(f"The data set {place} or the cache {cache} can't be used: {error}.") from error


def _with_val(dataset: YoloDirDataset, source: YoloSource, cache: Path) -> YoloSource:
    """The source with a val split that is made of train, where it has none of its own."""
    if dataset.val_share is None or "val" in source.splits:
        return source
    whole = source.splits["train"]
    digests = file_digests([each.image for each in whole.pictures], origin=source.origin, cache=cache)
    sides = share_out(digests, val_share=dataset.val_share, seed=dataset.split_seed)
    train, val = (
        [each for each, side in zip(whole.pictures, sides, strict=True) if side == wanted]
        for wanted in ("train", "val")
    )
    splits = {**source.splits, "train": dataclasses.replace(whole, pictures=train), "val": Found(pictures=val)}
    note = note_of_shares(sides, val_share=dataset.val_share, seed=dataset.split_seed)
    return dataclasses.replace(source, splits=splits, notes=(*source.notes, note))


def place_of(dataset: FilesDataset, cache: Path) -> Path:
    """The file or folder that a setting means; of what was unpacked or fetched the folder in the cache.

    Raises:
        DatasetError: it isn't there, or can't be unpacked.
    """
    if isinstance(dataset, UltralyticsDataset):
        return ultralytics_data(dataset, cache)[1]
    if isinstance(dataset, RoboflowDataset):
        return roboflow_folder(dataset, cache)
    if not dataset.path:
        raise DatasetError(f"dataset.path is not set: set it to {TAKES[dataset.kind][0]}.")
    place = absolute(Path(dataset.path).expanduser())
    if not place.exists():
        raise DatasetError(
            f"dataset.path={dataset.path} does not exist (looked at {place}): "
            f"dataset={dataset.kind} expects {TAKES[dataset.kind][0]}, or a zip file of it."
        )
    return unpacked(place, cache) if place.suffix.lower() == ".zip" and place.is_file() else place
