"""Checks images in threads; those that were found good, and have not changed since, are not decoded again."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sdpa_exp.data.file_memory import FileMemory
from sdpa_exp.data.image_file import CheckedImage, check_image
from sdpa_exp.runs.limits import usable_cores

_MAX_THREADS = 8
_RULES = 2  # counts up when the check of an image changes, so that what an older one found good is looked at again


def check_images(paths: Sequence[Path], *, origin: Path, cache: Path) -> list[CheckedImage]:
    """Check all images, in order; those that were good and have not changed since are not opened again.

    Raises:
        OSError: the cache can't be written.
    """
    memory = FileMemory(cache / f"seen{_RULES}", origin=origin)
    with ThreadPoolExecutor(min(_MAX_THREADS, usable_cores())) as pool:
        checked = list(pool.map(lambda path: _image(memory.recall(path)) or check_image(path), paths))
    memory.keep({path: asdict(image) for path, image in zip(paths, checked, strict=True) if image.fault is None})
    return checked


def _image(known: Any) -> CheckedImage | None:
    """What is remembered of an image; None where a damaged memory holds something else."""
    try:
        return None if known is None else CheckedImage(**known)
    except TypeError:
        return None
