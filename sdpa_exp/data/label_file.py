"""Checks one label file: what Ultralytics would drop or misread without stopping is a fault here.

Source of the rules: verify_image_label in ultralytics/data/utils.py of the pinned version, which skips a picture with a
bad label and trains on the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_TOLERANCE = 0.01  # as Ultralytics allows


@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """What a line of a label must be for a purpose.

    Attributes:
        fits: whether a line may have so many words.
        wanted: such a line, in words.
        keypoints: (points, numbers for each) behind the box; (0, 0) for none.
    """

    fits: Callable[[int], bool]
    wanted: str
    keypoints: tuple[int, int] = (0, 0)


def label_rule(purpose: str, keypoints: tuple[int, int] = (0, 0)) -> LabelRule:
    """The rule for Ultralytics' task of this name; `keypoints` as data.yaml has them in `kpt_shape`."""
    points, numbers = keypoints
    if purpose == "pose":
        length = 5 + points * numbers
        wanted = f"'class x y width height' and {points} keypoints of {numbers} numbers ({length} in all), for poses"
        return LabelRule(fits=lambda num: num == length, wanted=wanted, keypoints=keypoints)
    if purpose == "segment":
        return LabelRule(fits=_is_polygon, wanted="a class and a polygon of three points or more, for masks")
    if purpose == "obb":
        wanted = "a class and the four corners of a rotated box, 'class x1 y1 x2 y2 x3 y3 x4 y4'"
        return LabelRule(fits=lambda num: num >= 9 and num % 2 == 1, wanted=wanted)
    return LabelRule(
        fits=lambda num: num == 5 or _is_polygon(num), wanted="'class x y width height', or a class and a polygon"
    )


def _is_polygon(num_words: int) -> bool:
    return num_words >= 7 and num_words % 2 == 1


@dataclass(frozen=True, kw_only=True)
class CheckedLabel:
    """What is in a label file.

    Attributes:
        num_boxes, num_duplicates, max_class_id: of its sound lines.
        faults: what is wrong, by line; of the whole file where it is no label at all.
        sound: its bytes without the lines that have a fault; None where nothing is left, or nothing was wrong.
    """

    num_boxes: int = 0
    num_duplicates: int = 0
    max_class_id: int = -1
    faults: tuple[str, ...] = ()
    sound: bytes | None = None


def check_label(content: bytes, num_classes: int | None, rule: LabelRule | None = None) -> CheckedLabel:
    """Check the bytes of a label file; `num_classes` is None if class ids have no upper limit yet."""
    rule = rule or label_rule("detect")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return CheckedLabel(faults=("is not UTF-8 text",))
    rows: set[tuple[float, ...]] = set()
    num_boxes, max_class_id, kinds = 0, -1, set()
    faults, sound = [], []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        row = _numbers(words, rule)
        fault = "is malformed: " + _shorten(line, rule) if row is None else _row_fault(row, num_classes, rule)
        if row is None or fault is not None:
            faults.append(f"line {number} {fault}")
            continue
        num_boxes += 1
        sound.append(line)
        rows.add(row)
        kinds.add("box" if len(row) == 5 or rule.keypoints[0] else "polygon")
        max_class_id = max(max_class_id, int(row[0]))
    if len(kinds) > 1:
        return CheckedLabel(faults=(*faults, "mixes boxes and polygons: expected one kind in a file"))
    num_unique = len(rows)
    return CheckedLabel(
        num_boxes=num_unique,
        num_duplicates=num_boxes - num_unique,
        max_class_id=max_class_id,
        faults=tuple(faults),
        sound="".join(f"{line}\n" for line in sound).encode() if faults and sound else None,
    )


def without_keypoints(content: bytes, num_columns: int) -> bytes:
    """The label of a data set of poses with its boxes alone, as Ultralytics reads it to detect.

    Args:
        content: the bytes of the label file.
        num_columns: how many numbers the keypoints of a box are; a row of another length stays as it is.
    """
    rows = [line.split() for line in content.splitlines()]
    return b"".join(b" ".join(row[:5] if len(row) == 5 + num_columns else row) + b"\n" for row in rows if row)


def _numbers(words: list[str], rule: LabelRule) -> tuple[float, ...] | None:
    """A row of the numbers that the rule wants; else None."""
    if not rule.fits(len(words)):
        return None
    try:
        return tuple(float(word) for word in words)
    except ValueError:
        return None


def _row_fault(row: tuple[float, ...], num_classes: int | None, rule: LabelRule) -> str | None:
    class_id, *coordinates = row
    points, numbers = rule.keypoints
    if points:  # the third number of a keypoint says whether it is seen
        keypoints = coordinates[4:]
        coordinates = coordinates[:4] + [n for i, n in enumerate(keypoints) if i % numbers < 2]
        seen = [n for i, n in enumerate(keypoints) if i % numbers == 2 and n not in (0, 1, 2)]
        if seen:
            return f"has a keypoint of visibility {seen[0]:g}: expected 0 (not labelled), 1 (hidden) or 2 (seen)"
    if class_id != int(class_id) if abs(class_id) < 1e9 else True:
        return f"has class id {class_id:g}: expected a whole number"
    if class_id < 0 or (num_classes is not None and class_id >= num_classes):
        limit = "0 or more" if num_classes is None else f"0 to {num_classes - 1}"
        return f"has class id {int(class_id)}: expected {limit}"
    outside = [c for c in coordinates if not -_TOLERANCE <= c <= 1 + _TOLERANCE]
    if outside:
        return f"has the coordinate {outside[0]:g}: expected 0 to 1, fractions of the picture and not pixels"
    if (len(row) == 5 or points) and min(row[3], row[4]) <= 0:
        return f"has a box of width {row[3]:g} and height {row[4]:g}: expected more than 0"
    return None


def _shorten(line: str, rule: LabelRule) -> str:
    text = line if len(line) <= 60 else line[:57] + "..."
    return f"'{text}': expected {rule.wanted}"
