"""Names the kind of data set that a folder looks like, where it is not the one that was asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

_LOOKED_AT = 50  # files of each pattern and depth
_HEAD_BYTES = 65_536
_MARKS = {"voc_xml": ("*.xml", (b"<annotation",)), "coco_json": ("*.json", (b'"images"', b'"annotations"'))}


def other_format(kind: str, place: Path) -> str:
    """The sentence; empty where nothing is clear, or what is there is what was asked for."""
    seen = [each for each in ("yolo_dir", *_MARKS) if _has_marks(each, place)]
    if not seen or kind in seen:
        return ""
    return f" What is there looks like dataset={seen[0]}: write that in the place of dataset={kind}."


def _has_marks(kind: str, place: Path) -> bool:
    if kind == "yolo_dir":
        yamls = [place] if place.suffix in (".yaml", ".yml") else [*place.glob("*.yaml"), *place.glob("*.yml")]
        return bool(yamls) or any(True for _ in _files(place, "labels/*.txt"))
    pattern, words = _MARKS[kind]
    return any(all(word in _head(file) for word in words) for file in _files(place, pattern))


def _files(place: Path, pattern: str) -> Iterator[Path]:
    """The place itself, or files in it and up to two folders below."""
    if place.is_file():
        yield from [place] if place.match(pattern) else []
        return
    for depth in ("", "*/", "*/*/"):
        yield from itertools.islice(place.glob(f"{depth}{pattern}"), _LOOKED_AT)


def _head(file: Path) -> bytes:
    """The beginning, and of a large file the end too, where COCO's second list may start."""
    try:
        with file.open("rb") as stream:
            begin = stream.read(_HEAD_BYTES)
            stream.seek(max(0, file.stat().st_size - _HEAD_BYTES))
            return begin + stream.read()
    except OSError:
        return b""
