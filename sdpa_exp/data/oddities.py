"""What is odd in a data set and no reason to refuse it, as sentences: much of it Ultralytics passes over in silence."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdpa_exp.data.find_images import Picture
from sdpa_exp.data.image_file import CheckedImage
from sdpa_exp.data.label_file import CheckedLabel
from sdpa_exp.data.yolo_source import YoloSource
from sdpa_exp.runs.purposes import DETECT, Purpose

_NUM_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class CheckedPicture:
    """A picture with what was found in its two files. `label_bytes` is None if there is no label file."""

    split: str
    index: int
    picture: Picture
    image: CheckedImage
    label_bytes: bytes | None
    label: CheckedLabel


def find_oddities(source: YoloSource, checked: Sequence[CheckedPicture], purpose: Purpose = DETECT) -> tuple[str, ...]:
    """One sentence for each kind of oddity, with how often it occurs and where."""
    sentences = _of_classes(source)
    for split in source.splits:
        sentences += _of_split(source, split, [c for c in checked if c.split == split])
    sentences += _leaks(checked)
    duplicates = sum(c.label.num_duplicates for c in checked)
    if duplicates:
        boxes = "1 box occurs" if duplicates == 1 else f"{duplicates} boxes occur"
        sentences.append(f"{boxes} twice in the same picture: Ultralytics uses each once.")
    open_ended = sum(1 for c in checked if c.image.is_open_ended)
    if open_ended:
        sentences.append(
            f"{open_ended} JPEGs have no end mark as their last bytes: they are used with one, unchanged else."
        )
    deep = [c.picture.name for c in checked if c.image.is_deep]
    if deep:
        sentences.append(
            f"{len(deep)} images have more than 8 bits a channel ({_some(deep)}): Ultralytics keeps the upper 8, so "
            "that values which fill fewer bits come out nearly black."
        )
    if source.keypoints and purpose.name != "pose":
        sentences.append("The labels are of poses (kpt_shape): their boxes are used, and their keypoints left out.")
    elif source.keypoints and "flip_idx" not in source.keypoints:
        sentences.append(
            "The data set names no flip_idx, the keypoints that change places in a mirror: Ultralytics mirrors no "
            "image while training (fliplr)."
        )
    if "test" in source.splits:
        sentences.append(
            "train.split=test: Ultralytics chooses best.pt, and stops early, by this split too, so that its metrics "
            "are too good; a test split that nothing is chosen by gives honest ones."
        )
    return tuple(sentences)


def _of_classes(source: YoloSource) -> list[str]:
    twice = [name for name, count in Counter(source.class_names or ()).items() if count > 1]
    return [f"Several classes are called {_some(twice)}: tables can't tell them apart."] if twice else []


def _of_split(source: YoloSource, split: str, checked: Sequence[CheckedPicture]) -> list[str]:
    found, sentences = source.splits[split], []
    missing = sum(1 for c in checked if c.label_bytes is None)
    if missing:
        sentences.append(
            f"{missing} of {len(checked)} {split} images have no label file: they count as empty pictures."
        )
    for words, things in (
        ("Files that Ultralytics does not read as images, left out of SPLIT (convert them to PNG)", found.unread),
        ("Labels in SPLIT without an image of that name, left out", found.lonely),
        ("Labels in SPLIT found where links lead, since none lies beside the links", found.beyond_links),
        ("Images in SPLIT that share a label, since their names differ in the suffix alone", _of_one_name(checked)),
        ("Images in SPLIT that are listed more than once, and used as often", _repeated(checked)),
    ):
        if things:
            sentences.append(f"{words.replace('SPLIT', split)}: {len(things)} ({_some(things)}).")
    return sentences


def _of_one_name(checked: Sequence[CheckedPicture]) -> list[str]:
    images = {c.picture.image: c.picture for c in checked if c.picture.content is None}.values()
    count = Counter(picture.label for picture in images)
    return [picture.name for picture in images if count[picture.label] > 1]


def _repeated(checked: Sequence[CheckedPicture]) -> list[Path]:
    return [image for image, count in Counter(c.picture.image for c in checked).items() if count > 1]


def _leaks(checked: Sequence[CheckedPicture]) -> list[str]:
    by_split = {split: [c for c in checked if c.split == split] for split in ("train", "val", "test")}
    sentences = []
    for first, second in itertools.combinations(by_split, 2):
        known = {c.image.sha256 for c in by_split[first]}
        leaked = [c.picture.name for c in by_split[second] if c.image.sha256 in known]
        if leaked:
            sentences.append(
                f"{len(leaked)} of {len(by_split[second])} {second} images are also in {first}, byte for byte "
                f"({_some(leaked)}): the metrics are too good by that; task=data shows them and mends a copy."
            )
    return sentences


def _some(things: Iterable[object]) -> str:
    named = [str(thing) for thing in things]
    return ", ".join(named[:_NUM_EXAMPLES]) + (", ..." if len(named) > _NUM_EXAMPLES else "")
