"""Remembers which images were found good, by size and time of change: each is decoded once and not once a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from sdpa_exp.data.digest import bytes_digest
from sdpa_exp.data.image_file import CheckedImage, check_image
from sdpa_exp.runs.files import write_json_atomic
from sdpa_exp.runs.limits import usable_cores

_MAX_THREADS = 8
_RULES = 2  # counts up when the check of an image changes, so that what an older one found good is looked at again


def check_images(paths: Sequence[Path], *, origin: Path, cache: Path) -> list[CheckedImage]:
    """Check all images, in order; those that were good and have not changed since are not opened again.

    Raises:
        OSError: the cache can't be written.
    """
    memory = cache / f"seen{_RULES}" / f"{bytes_digest(str(origin).encode('utf-8', 'surrogateescape'))[:16]}.json"
    seen = _load(memory)
    with ThreadPoolExecutor(min(_MAX_THREADS, usable_cores())) as pool:
        checked = list(pool.map(lambda path: _recall(path, seen) or check_image(path), paths))
    good = {str(p): [*_state(p), asdict(c)] for p, c in zip(paths, checked, strict=True) if c.fault is None}
    if good != seen:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(memory, good)
    return checked


def _recall(path: Path, seen: dict[str, list[object]]) -> CheckedImage | None:
    entry = seen.get(str(path))
    if not isinstance(entry, list) or len(entry) != 3:
        return None
    try:
        return CheckedImage(**entry[2]) if entry[:2] == _state(path) else None  # type: ignore[arg-type]
    except (OSError, TypeError):
        return None


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _load(memory: Path) -> dict[str, list[object]]:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
