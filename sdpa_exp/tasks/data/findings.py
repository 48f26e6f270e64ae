"""What is wrong or odd in a data set, as sentences with the files that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sdpa_exp.data.prepared_dataset import BOX, LINE, LeftOut, PreparedDataset
from sdpa_exp.runs.files import LEFT_OUT_FILE
from sdpa_exp.tasks.data.figures import seen_size_px, splits_of
from sdpa_exp.tasks.data.leaks import Pair, alike_in_two_splits, same_in_one_split, same_in_two_splits
from sdpa_exp.tasks.data.look import Seen
from sdpa_exp.text_report import counted

ERROR, WARNING, INFO = "error", "warning", "info"
OUTSIDE_PX = 1.0
"""How far a box may stick out of its picture: labels are rounded."""
# Sentences of the preparation that have a finding of their own here, with their files, or are about training.
_SAID_HERE = (
    "byte for byte",
    "twice in the same picture",
    f"{LEFT_OUT_FILE} in each run folder lists all",
    "train.split=test: Ultralytics chooses",
)
_SILENT = "Ultralytics would leave out each such image in silence"
_BAD = {
    "bad_images": ("image can't be trained on", "images can't be trained on", _SILENT),
    "bad_labels": ("image has a label without a sound line", "images have labels without a sound line", _SILENT),
    "bad_lines": ("line of a label can't be used", "lines of labels can't be used", _SILENT),
    "bad_boxes": ("box can't be used", "boxes can't be used", "a training leaves them out"),
    "marked_boxes": ("box is marked as not to be counted", "boxes are marked as not to be counted", "none is used"),
}
_SEVERITIES = {"bad_boxes": WARNING, "marked_boxes": INFO}  # neither stops a training; the rest does
_TINY_PX = 2.0
_FEW = 10
_UNEVEN = 10


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One kind of fault or oddity; each of `files` is a file with what about it."""

    code: str
    severity: str
    sentence: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Found:
    """All findings, the worst first, and the pairs of pictures that are the same or look alike in two splits."""

    findings: tuple[Finding, ...]
    leaks: tuple[Pair, ...]
    alike: tuple[Pair, ...]

    def of(self, *severities: str) -> list[Finding]:
        """Those of some severities."""
        return [finding for finding in self.findings if finding.severity in severities]


def find(pictures: Sequence[Seen], prepared: PreparedDataset, figures: dict[str, Any], imgsz: int) -> Found:
    """Look for everything."""
    leaks, alike = same_in_two_splits(pictures), alike_in_two_splits(pictures)
    found = [
        *_bad_files(prepared),
        *_leaks(leaks),
        *_prepared(prepared),
        *_boxes(pictures),
        *_same(same_in_one_split(pictures)),
        *_alike(alike),
        *_classes(figures),
        *_tiny(pictures, imgsz),
    ]
    found.sort(key=lambda finding: (ERROR, WARNING, INFO).index(finding.severity))
    return Found(findings=tuple(found), leaks=tuple(leaks), alike=tuple(alike or ()))


def _bad_files(prepared: PreparedDataset) -> Iterator[Finding]:
    of_labels = {(each.split, each.name) for each in prepared.bad_labels}
    files: dict[str, list[str]] = {code: [] for code in _BAD}
    for each in prepared.left_out:
        has_label = (each.split, each.image) in of_labels
        files[_code_of(each, has_label)].append(f"{each.image}{':' * (each.what == BOX)} {each.why}")
    for code, (one, many, so) in _BAD.items():
        if files[code]:
            sentence = f"{counted(len(files[code]), one, many)}; {so}."
            yield Finding(code=code, severity=_SEVERITIES.get(code, ERROR), sentence=sentence, files=tuple(files[code]))


def _code_of(left_out: LeftOut, has_label: bool) -> str:
    if left_out.what == BOX:
        return "marked_boxes" if left_out.why.startswith("the mark") else "bad_boxes"
    return "bad_lines" if left_out.what == LINE else "bad_labels" if has_label else "bad_images"


def _leaks(leaks: Sequence[Pair]) -> Iterator[Finding]:
    for split in ("val", "test"):
        pairs = [pair for pair in leaks if pair.second.split == split]
        if pairs:
            where = " or ".join(dict.fromkeys(pair.first.split for pair in pairs))
            what = counted(len(pairs), f"image of {split} is", f"images of {split} are")
            sentence = f"{what} also in {where}, byte for byte: the metrics are too good by that."
            files = tuple(f"{pair.second.name} is {pair.first.name}" for pair in pairs)
            yield Finding(code="leaks", severity=ERROR, sentence=sentence, files=files)


def _prepared(prepared: PreparedDataset) -> Iterator[Finding]:
    for sentence in prepared.warnings:
        if not any(words in sentence for words in _SAID_HERE):
            severity = INFO if "dataset." in sentence else WARNING  # what was asked for by a key does no harm
            yield Finding(code="preparation", severity=severity, sentence=sentence)


def _boxes(pictures: Sequence[Seen]) -> Iterator[Finding]:
    twice = {picture.name: num for picture in pictures if (num := _num_repeated(picture))}
    if twice:
        what = counted(sum(twice.values()), "box stands", "boxes stand")
        yield Finding(
            code="duplicate_boxes",
            severity=WARNING,
            sentence=f"{what} in a label a second time: Ultralytics uses each once.",
            files=tuple(f"{name}: {num}" for name, num in twice.items()),
        )
    outside = {picture.name: far for picture in pictures if (far := _outside_px(picture))}
    if outside:
        what = counted(sum(map(len, outside.values())), "box sticks", "boxes stick")
        yield Finding(
            code="outside",
            severity=WARNING,
            sentence=f"{what} out of the image by more than a pixel.",
            files=tuple(f"{name}: {len(far)}, by up to {max(far):.0f} px" for name, far in outside.items()),
        )


def _num_repeated(picture: Seen) -> int:
    lines = [line for line in (picture.content or b"").splitlines() if line.strip()]
    return len(lines) - len(picture.objects)


def _outside_px(picture: Seen) -> list[float]:
    """How far each box that sticks out does so; rotated ones may."""
    far = [thing.outside_px(*picture.size_px) for thing in picture.objects if not thing.is_rotated]
    return [px for px in far if px > OUTSIDE_PX]


def _same(pairs: Sequence[Pair]) -> Iterator[Finding]:
    if pairs:
        num_differ = sum(pair.first.objects != pair.second.objects for pair in pairs)
        what = counted(len(pairs), "image is", "images are")
        other = f", {num_differ} with another label" if num_differ else ""
        yield Finding(
            code="same_images",
            severity=WARNING,
            sentence=f"{what} in the same split a second time, byte for byte{other}: such an image counts twice.",
            files=tuple(f"{pair.second.name} is {pair.first.name}" for pair in pairs),
        )


def _alike(pairs: Sequence[Pair] | None) -> Iterator[Finding]:
    if pairs is None:
        sentence = (
            "The data set is too large to search for images that look alike in two splits; equal ones were found."
        )
        yield Finding(code="look_alike", severity=INFO, sentence=sentence)
    elif pairs:
        what = counted(len(pairs), "image looks", "images look")
        yield Finding(
            code="look_alike",
            severity=WARNING,
            sentence=f"{what} nearly the same as one of another split: the same photograph saved again, or one scene "
            "twice. Look at them.",
            files=tuple(
                f"{pair.second.name} looks like {pair.first.name}, {pair.different_bits} of 256 bits differ"
                for pair in pairs
            ),
        )


def _classes(figures: dict[str, Any]) -> Iterator[Finding]:
    kind = "boxes" if "boxes" in next(iter(figures.values())) else "images"
    for split, of_split in figures.items():
        counts: dict[str, int] = {name: each[kind] for name, each in of_split["classes"].items()}
        missing = tuple(name for name, count in counts.items() if not count)
        if missing and split != "all":
            what = counted(len(missing), "class has", "classes have")
            so = "nothing can be learnt of them" if split == "train" else "no figure is measured for them"
            yield Finding(
                code="empty_classes",
                severity=WARNING if split == "train" else INFO,
                sentence=f"{what} no {kind} in {split}: {so}.",
                files=missing,
            )
        few = tuple(f"{name}: {count}" for name, count in counts.items() if 0 < count < _FEW)
        if few and split in ("val", "test"):
            what = counted(len(few), "class has", "classes have")
            sentence = f"{what} fewer than {_FEW} {kind} in {split}: a figure of such a class is mostly chance."
            yield Finding(code="few", severity=INFO, sentence=sentence, files=few)
        present = sorted((count, name) for name, count in counts.items() if count)
        if split == "train" and present and present[-1][0] >= _UNEVEN * present[0][0]:
            (low, rare), (high, frequent) = present[0], present[-1]
            sentence = f"In train, {frequent} has {high} {kind} and {rare} has {low}: {high / low:.0f} times fewer."
            yield Finding(code="uneven_classes", severity=INFO, sentence=sentence)


def _tiny(pictures: Sequence[Seen], imgsz: int) -> Iterator[Finding]:
    counts = {split: sum(_num_tiny(each, imgsz) for each in seen) for split, seen in splits_of(pictures).items()}
    total = sum(counts.values())
    if total:
        what = counted(total, "box is", "boxes are")
        yield Finding(
            code="tiny",
            severity=INFO,
            sentence=f"{what} less than {_TINY_PX:.0f} px wide or high at train.imgsz={imgsz}, and hardly seen there.",
            files=tuple(f"{split}: {count}" for split, count in counts.items() if count),
        )


def _num_tiny(picture: Seen, imgsz: int) -> int:
    width, height = seen_size_px(picture, imgsz)
    boxes: Iterable[tuple[float, float, float, float]] = (thing.box for thing in picture.objects)
    return sum(min((right - left) * width, (bottom - top) * height) < _TINY_PX for left, top, right, bottom in boxes)
