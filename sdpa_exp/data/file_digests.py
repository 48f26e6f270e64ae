"""SHA-256 of files of any size; of those of a data set each is read once and not once a run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from sdpa_exp.data.file_memory import FileMemory


def file_digests(paths: Sequence[Path], *, origin: Path, cache: Path) -> list[str]:
    """In hex, in order.

    Args:
        paths: files that are there.
        origin: the data set that they are of, which has a memory of its own.
        cache: our cache folder.

    Raises:
        OSError: a file can't be read, or the cache can't be written.
    """
    memory = FileMemory(cache / "digests", origin=origin)
    found = {path: str(memory.recall(path) or file_digest(path)) for path in paths}
    memory.keep(found)
    return [found[path] for path in paths]


def file_digest(path: Path) -> str:
    """SHA-256 of a file of any size, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
