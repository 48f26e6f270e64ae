"""data.fix_to: a mended copy of a data set, built whole or not at all, with a list of what is not as it was."""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, fields
from functools import partial
from pathlib import Path

import yaml

from sdpa_exp.data.bad_files import UNUSABLE
from sdpa_exp.data.build_once import build_whole
from sdpa_exp.data.data_yaml import DATA_YAML
from sdpa_exp.data.label_file import LabelRule, check_label, label_rule
from sdpa_exp.data.prepared_dataset import IMAGE, PreparedDataset
from sdpa_exp.errors import DatasetError
from sdpa_exp.tasks.data.leaks import Pair
from sdpa_exp.tasks.data.look import SPLITS, Seen, picture_of
from sdpa_exp.tasks.data.mend import mend_label
from sdpa_exp.text_report import counted

FIXES_FILE = "fixes.csv"
LINE_FIX, LEFT_OUT, REMOVED, CLOSED = "line", "image left out", "removed", "image"

_KINDS = {
    LEFT_OUT: ("image left out", "images left out"),
    REMOVED: ("image removed that is in another split", "images removed that are in another split"),
    CLOSED: ("JPEG closed with an end mark", "JPEGs closed with an end mark"),
    "box": ("box left out", "boxes left out"),
    LINE_FIX: ("unusable line left out", "unusable lines left out"),
    "clipped": ("box clipped", "boxes clipped"),
    "repeated": ("repeated box left out", "repeated boxes left out"),
}


@dataclass(frozen=True, kw_only=True)
class Fix:
    """What is not in the copy as it was: a line, an image left out or changed, or removed (it is in another split)."""

    split: str
    file: str
    what: str
    how: str


@dataclass(kw_only=True)
class Copy:
    """What goes into the copy, under which name, and what is changed.

    Attributes:
        images: name in the copy, with its split -> the image's file.
        labels: name in the copy -> bytes, for images with a label file.
        fixes: in the order of splits and files.
        stems: (split, file name without suffix) that are taken.
    """

    images: dict[str, Path] = field(default_factory=dict)
    labels: dict[str, bytes] = field(default_factory=dict)
    fixes: list[Fix] = field(default_factory=list)
    stems: set[tuple[str, str]] = field(default_factory=set)

    def add(self, original: _Original, content: bytes | None) -> None:
        """Under the user's own name, with its number before it where two have the same."""
        split = original.split
        if original.class_name is not None:
            self.images[f"{split}/{original.class_name}/{original.file_name}"] = original.image
            return
        stem, suffix = Path(original.file_name).stem, Path(original.file_name).suffix.lower()
        if (split, stem) in self.stems:
            stem = f"{original.index:06d}_{stem}"
        self.stems.add((split, stem))
        self.images[f"images/{split}/{stem}{suffix}"] = original.image
        if content is not None:
            self.labels[f"labels/{split}/{stem}.txt"] = content


@dataclass(frozen=True, kw_only=True)
class _Original:
    """A picture as it goes in: `file_name` is the user's, `is_closed` says that the preparation added an end mark."""

    split: str
    index: int
    name: str
    image: Path
    file_name: str
    size_px: tuple[int, int]
    content: bytes | None
    class_name: str | None = None
    is_closed: bool = False


def plan_copy(prepared: PreparedDataset, pictures: Sequence[Seen], leaks: Sequence[Pair], purpose: str) -> Copy:
    """What the copy will hold; nothing is written yet.

    Raises:
        DatasetError: nothing would be left of a split, or the labels are only read in part.
    """
    if prepared.has_unused_keypoints:
        raise DatasetError(
            "data.fix_to would lose the keypoints of this data set, since the model is for boxes: expected one for "
            "poses. Add model=yolo12n-pose."
        )
    rule, num_classes = label_rule(purpose, prepared.keypoints or (0, 0)), len(prepared.class_names)
    leaked = {(pair.second.split, pair.second.index): pair.first.name for pair in leaks}
    copy = Copy(fixes=_left_out_before(prepared, rule))
    for each in _originals(prepared, pictures):
        fixed = partial(Fix, split=each.split, file=each.name)
        if (each.split, each.index) in leaked:
            copy.fixes.append(fixed(what=REMOVED, how=f"it is {leaked[each.split, each.index]}"))
            continue
        content = each.content
        if content is not None:
            mended = mend_label(content, size_px=each.size_px, num_classes=num_classes, rule=rule, purpose=purpose)
            if mended.fault is not None:
                copy.fixes.append(fixed(what=LEFT_OUT, how=mended.fault))
                continue
            copy.fixes += [fixed(what=LINE_FIX, how=how) for how in mended.done]
            content = mended.content
        if each.is_closed:
            copy.fixes.append(fixed(what=CLOSED, how="the end mark of the JPEG added"))
        copy.add(each, content)
    for split in dict.fromkeys(each.split for each in pictures):
        if not any(f"/{split}/" in f"/{name}" for name in copy.images):
            raise DatasetError(
                f"data.fix_to would leave nothing of {split}: each of its images is in another split or can't be "
                "used. Add images to it, and try again."
            )
    return copy


def _originals(prepared: PreparedDataset, pictures: Sequence[Seen]) -> list[_Original]:
    """The pictures in order, those with bad labels among them, with their labels as the user wrote them."""
    bad = {(each.split, each.index): each for each in prepared.bad_labels}
    links = any(each.path.is_symlink() for each in pictures)  # a view of ours; else all are files in our cache
    found = {}
    for each in pictures:
        label = bad.pop((each.split, each.index), None)
        found[each.split, each.index] = _Original(
            split=each.split,
            index=each.index,
            name=each.name,
            image=each.path,
            file_name=each.file_name,
            size_px=each.size_px,
            content=each.content if label is None else label.content,
            class_name=None if each.class_id is None else each.path.parent.name,
            is_closed=links and not each.path.is_symlink(),
        )
    for (split, index), label in bad.items():
        found[split, index] = _Original(
            split=split,
            index=index,
            name=label.name,
            image=label.image,
            file_name=label.image.name,
            size_px=picture_of(label.image)[0],
            content=label.content,
        )
    return [found[place] for place in sorted(found, key=lambda place: (SPLITS.index(place[0]), place[1]))]


def _left_out_before(prepared: PreparedDataset, rule: LabelRule) -> list[Fix]:
    """What the preparation left out, but for lines of labels that are mended here, with fixes of their own."""
    said = set()
    for each in prepared.bad_labels:
        faults = check_label(each.content, len(prepared.class_names), rule).faults
        said |= {(each.split, each.name, fault) for fault in (*faults, f"{UNUSABLE}: {faults[-1]}")}
    return [
        Fix(split=each.split, file=each.image, what=LEFT_OUT if each.what == IMAGE else each.what, how=each.why)
        for each in prepared.left_out
        if (each.split, each.image, each.why) not in said
    ]


def write_copy(copy: Copy, prepared: PreparedDataset, folder: Path) -> None:
    """Build the folder: images/ and labels/ by split and a data.yaml, or a folder for each class; and fixes.csv.

    Raises:
        DatasetError: it can't be written, or is among the images of the data set.
    """
    within = next((p for p in _folders(copy.images.values()) if folder.resolve().is_relative_to(p)), None)
    if within is not None:
        raise DatasetError(
            f"data.fix_to={folder} is inside of {within}, which holds images of the data set: expected a folder "
            "outside of it, since the data set stays as it is. Name another one."
        )

    def build(draft: Path) -> None:
        for name, image in copy.images.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image, draft / name)
        for name, content in copy.labels.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(content)
        if prepared.yaml_path.is_file():
            content = yaml.safe_load(prepared.yaml_path.read_text(encoding="utf-8"))
            content.pop("path", None)  # the copy may be moved: without it, paths start at the file
            text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
            (draft / DATA_YAML).write_text(text, encoding="utf-8")
        (draft / FIXES_FILE).write_text(fixes_csv(copy.fixes), encoding="utf-8", errors="surrogateescape")

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        build_whole(folder, build)
    except OSError as error:
        raise DatasetError(
            f"data.fix_to={folder} can't be written: {error}. Expected a place with room; name another one."
        ) from error


def _folders(images: Iterable[Path]) -> set[Path]:
    """Where images lie, links followed."""
    return {image.resolve().parent for image in images}


def fixes_csv(fixes: Sequence[Fix]) -> str:
    """One row for each fix."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([each.name for each in fields(Fix)])
    writer.writerows(astuple(fix) for fix in fixes)
    return buffer.getvalue()


def counted_fixes(fixes: Sequence[Fix]) -> list[str]:
    """How many of each kind, in words, most of them first."""
    counts = Counter(_KINDS[_kind(fix)] for fix in fixes)
    return [counted(num, *words) for words, num in counts.most_common()]


def _kind(fix: Fix) -> str:
    if fix.what != LINE_FIX:
        return fix.what
    return "clipped" if "clipped" in fix.how else "repeated" if fix.how.endswith("again") else LINE_FIX
