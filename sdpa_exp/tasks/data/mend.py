"""Mends the lines of a label: boxes are clipped at the picture's edge, repeated and unusable lines left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sdpa_exp.data.label_file import LabelRule, check_label
from sdpa_exp.tasks.data.findings import OUTSIDE_PX

_WILD = 1.0  # a number that is further outside than a whole picture is in pixels, or a slip: no edge to clip at
_DECIMALS = 8


@dataclass(frozen=True, kw_only=True)
class Mended:
    """A label after mending.

    Attributes:
        content: its bytes; those that were given where nothing had to be done.
        done: what was done, line by line.
        fault: why the label can't be used even so; its image has to be left out.
    """

    content: bytes
    done: tuple[str, ...] = ()
    fault: str | None = None


def mend_label(content: bytes, *, size_px: tuple[int, int], num_classes: int, rule: LabelRule, purpose: str) -> Mended:
    """Mend what can be mended without a guess.

    Args:
        content: the bytes of a label file.
        size_px: (width, height) of the picture.
        num_classes: class ids are below it.
        rule: what a line must be.
        purpose: Ultralytics' task.
    """
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return Mended(content=content, fault="has a label that is not UTF-8 text")
    kept: list[str] = []
    done: list[str] = []
    first: dict[tuple[str, ...], int] = {}
    clip = _CLIPS.get(purpose, _clip_line)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        new = clip(line.split(), rule.keypoints[1], size_px)
        is_clipped = new is not None
        new_line = line if new is None else " ".join(new)
        faults = check_label(new_line.encode(), num_classes, rule).faults
        if faults:
            before = check_label(line.encode(), num_classes, rule).faults or faults
            done.append(f"line {number} left out: it {before[0].removeprefix('line 1 ')}")
            continue
        key = tuple(f"{float(word):.{_DECIMALS}f}" for word in new_line.split())
        if key in first:
            done.append(f"line {number} left out: it is line {first[key]} again")
            continue
        first[key] = number
        if is_clipped:
            done.append(f"line {number} clipped at the edge of the image")
        kept.append(new_line)
    if not done:
        return Mended(content=content)
    mended = "".join(f"{line}\n" for line in kept).encode()
    if not kept:
        return Mended(content=mended, done=tuple(done), fault="has a label without a line that can be used")
    faults = check_label(mended, num_classes, rule).faults
    fault = f"has a label that {faults[0]}" if faults else None
    return Mended(content=mended, done=tuple(done), fault=fault)


def _clip_line(words: list[str], numbers: int, size_px: tuple[int, int]) -> list[str] | None:
    """A box or a polygon that sticks out, clipped; None where it does not, or is no such thing."""
    values = _values(words)
    if values is None or len(values) < 4 or len(values) % 2:
        return None
    if len(values) == 4:
        box = _clip_box(values, size_px)
        return None if box is None else [words[0], *_written(box)]
    reach = [_reach(value, size_px[i % 2]) for i, value in enumerate(values)]
    if max(reach) <= OUTSIDE_PX:
        return None
    return [words[0], *_written([min(max(value, 0.0), 1.0) for value in values])]


def _clip_pose(words: list[str], numbers: int, size_px: tuple[int, int]) -> list[str] | None:
    """A pose with its box clipped, and keypoints outside of the picture taken for not labelled."""
    values = _values(words)
    if values is None or len(values) <= 4 or numbers < 2 or (len(values) - 4) % numbers:
        return None
    box = _clip_box(values[:4], size_px)
    points = [values[i : i + numbers] for i in range(4, len(values), numbers)]
    is_out = [max(_reach(p[0], size_px[0]), _reach(p[1], size_px[1])) > OUTSIDE_PX for p in points]
    if (box is None and not any(is_out)) or (any(is_out) and numbers == 2):  # two numbers can't say "not labelled"
        return None
    kept = [[0.0] * numbers if out else point for point, out in zip(points, is_out, strict=True)]
    return [words[0], *_written(box or values[:4]), *_written([value for point in kept for value in point])]


def _no_clip(words: list[str], numbers: int, size_px: tuple[int, int]) -> None:
    """A rotated box that is clipped is none any more."""


_Clip = Callable[[list[str], int, tuple[int, int]], list[str] | None]
_CLIPS: dict[str, _Clip] = {"pose": _clip_pose, "obb": _no_clip}


def _values(words: list[str]) -> list[float] | None:
    """The coordinates of a line; None where they are no numbers, or none that an edge could cut."""
    try:
        values = [float(word) for word in words[1:]]
    except ValueError:
        return None
    return values if all(-_WILD <= value <= 1 + _WILD for value in values) else None


def _clip_box(values: list[float], size_px: tuple[int, int]) -> list[float] | None:
    """x, y, width and height within the picture; None where the box is there already, or is none."""
    x, y, width, height = values
    if width <= 0 or height <= 0:
        return None
    edges = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    if max(_reach(edge, size_px[i % 2]) for i, edge in enumerate(edges)) <= OUTSIDE_PX:
        return None
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in edges)
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def _reach(value: float, side_px: int) -> float:
    """How many pixels a coordinate is outside of the picture."""
    return max(-value, value - 1, 0.0) * side_px


def _written(values: list[float]) -> list[str]:
    return [f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".") for value in values]
