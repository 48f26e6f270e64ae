"""Real data: found, checked file by file, and shown to Ultralytics by a view in our cache."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from sdpa_exp.config.schema import AnnotatedDataset, FilesDataset
from sdpa_exp.data.annotations import sentences_of_skipped
from sdpa_exp.data.bad_files import first_named, labels_with_faults, sentences_of, without_bad
from sdpa_exp.data.class_folders import prepare_class_folders
from sdpa_exp.data.dataset_digest import NO_LABEL, bytes_digest, content_digest
from sdpa_exp.data.label_file import check_label, label_rule, without_keypoints
from sdpa_exp.data.linked_view import ViewEntry, build_view
from sdpa_exp.data.oddities import CheckedPicture, find_oddities
from sdpa_exp.data.prepared_dataset import IMAGE, LeftOut, PreparedDataset
from sdpa_exp.data.seen_images import check_images
from sdpa_exp.data.sources import find_pictures_of, place_of
from sdpa_exp.data.subset import part_of
from sdpa_exp.data.yolo_source import YoloSource
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.purposes import CLASSIFY, DETECT, Purpose

_log = logging.getLogger(__name__)


def prepare_yolo_dir(
    dataset: FilesDataset, cache: Path, split: str | None = None, *, purpose: Purpose = DETECT
) -> PreparedDataset:
    """Check images and labels of any format, and make them loadable from anywhere.

    Args:
        dataset: where they are, and what becomes of bad ones.
        cache: our cache folder.
        split: one that is wanted beside train and val.
        purpose: of the model, which says what a label must be.

    Raises:
        DatasetError: it is missing, empty or malformed; up to ten bad files are named.
    """
    place, drops = place_of(dataset, cache), dataset.on_bad == "drop"
    if purpose is CLASSIFY and not isinstance(dataset, AnnotatedDataset):
        return prepare_class_folders(dataset, place, cache, split)
    source = part_of(find_pictures_of(dataset, split, cache, purpose), dataset)
    if purpose.name == "pose" and not source.keypoints:
        raise DatasetError(
            f"{source.origin} has no 'kpt_shape:' line, and the model is for poses: expected one such as "
            "kpt_shape: [17, 3], points and numbers for each. Add it, or choose a model for boxes: model=yolo12n."
        )
    keypoints = source.keypoints if purpose.name == "pose" else {}
    try:
        checked = _check_all(source, cache, purpose)
    except OSError as error:
        raise DatasetError(f"The data set {place} or the cache {cache} can't be used: {error}.") from error
    dropped: tuple[LeftOut, ...] = ()
    bad_labels = labels_with_faults(checked)
    if drops:
        checked, dropped = without_bad(checked)
        dropped = (*(each for each in source.left_out if each.what == IMAGE), *dropped)
    else:
        _refuse_faults(source, checked)
    left_out = (*(each for each in source.left_out if each.what != IMAGE), *dropped)
    _refuse_without_labels(source, checked, left_out, purpose)
    class_names = source.class_names or _numbered_names(checked)
    meaning = [json.dumps(keypoints, sort_keys=True, default=str)] if keypoints else []
    digest = content_digest([*class_names, *meaning], [_digest_line(c) for c in checked], map(astuple, left_out))
    view = cache / "views" / f"{digest[:16]}-{bytes_digest(str(place).encode('utf-8', 'surrogateescape'))[:8]}"
    skipped = sentences_of_skipped(left_out, sum(c.label.num_boxes for c in checked))
    found_warnings = (*source.notes, *skipped, *find_oddities(source, checked, purpose), *sentences_of(dropped))
    for sentence in found_warnings:
        _log.warning(sentence)
    return PreparedDataset(
        yaml_path=build_view(view, [_view_entry(c) for c in checked], class_names, keypoints),
        digest=digest,
        class_names=class_names,
        num_train_images=sum(c.split == "train" for c in checked),
        num_val_images=sum(c.split == "val" for c in checked),
        num_train_boxes=_num_boxes(checked, "train"),
        num_val_boxes=_num_boxes(checked, "val"),
        warnings=found_warnings,
        left_out=left_out,
        keypoints=source.keypoint_shape if keypoints else None,
        has_unused_keypoints=bool(source.keypoints) and not keypoints,
        bad_labels=bad_labels,
    )


def _check_all(source: YoloSource, cache: Path, purpose: Purpose) -> list[CheckedPicture]:
    pictures = [(split, i, p) for split, found in source.splits.items() for i, p in enumerate(found.pictures)]
    images = check_images([p.image for _, _, p in pictures], origin=source.origin, cache=cache)
    num_classes = None if source.class_names is None else len(source.class_names)
    points, numbers = source.keypoint_shape
    rule = label_rule(purpose.name, source.keypoint_shape)
    checked = []
    for (split, index, picture), image in zip(pictures, images, strict=True):
        content = picture.content
        if content is None:
            content = picture.label.read_bytes() if picture.label.is_file() else None
        if content and points and purpose.name != "pose":
            content = without_keypoints(content, points * numbers)
        label = check_label(content or b"", num_classes, rule)
        checked.append(
            CheckedPicture(split=split, index=index, picture=picture, image=image, label_bytes=content, label=label)
        )
    return checked


def _refuse_faults(source: YoloSource, checked: Sequence[CheckedPicture]) -> None:
    faults = [f"{c.picture.image} {c.image.fault}" for c in checked if c.image.fault]
    faults += [f"{c.picture.label} {c.label.faults[0]}" for c in checked if c.label.faults]
    if faults:
        raise DatasetError(
            f"{source.origin} has {len(faults)} bad file{'s' if len(faults) > 1 else ''} of "
            f"{2 * len(checked)}; Ultralytics would leave them out in silence. Repair or remove them, or set "
            "dataset.on_bad=drop, which leaves bad lines and images out for all arms and lists them; task=data "
            f"shows what is wrong and mends a copy:{first_named(faults)}"
        )


def _refuse_without_labels(
    source: YoloSource, checked: Sequence[CheckedPicture], left_out: Sequence[LeftOut], purpose: Purpose
) -> None:
    for split, found in source.splits.items():
        if not any(c.split == split for c in checked):
            why = next(each.why for each in left_out if each.split == split)
            raise DatasetError(
                f"{source.origin} has {len(found.pictures)} {split} images, and dataset.on_bad=drop leaves out all of "
                f"them, the first since it {why}. Repair them."
            )
        if _num_boxes(checked, split) == 0:
            first = next(c.picture.label for c in checked if c.split == split)
            raise DatasetError(
                f"{source.origin} has {split} images but no labels for them: expected files like {first}, with a line "
                f"for each object: {label_rule(purpose.name, source.keypoint_shape).wanted}."
            )


def _numbered_names(checked: Sequence[CheckedPicture]) -> tuple[str, ...]:
    return tuple(f"class_{i}" for i in range(max(c.label.max_class_id for c in checked) + 1))


def _digest_line(checked: CheckedPicture) -> tuple[str, str, str, str]:
    label = NO_LABEL if checked.label_bytes is None else bytes_digest(checked.label_bytes)
    return checked.split, checked.picture.name, checked.image.sha256, label


def _view_entry(checked: CheckedPicture) -> ViewEntry:
    return ViewEntry(
        split=checked.split,
        index=checked.index,
        image=checked.picture.image,
        is_open_ended=checked.image.is_open_ended,
        label=checked.label_bytes,
    )


def _num_boxes(checked: Sequence[CheckedPicture], split: str) -> int:
    return sum(c.label.num_boxes for c in checked if c.split == split)
