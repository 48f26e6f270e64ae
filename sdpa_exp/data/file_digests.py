"""SHA-256 of files, remembered by size and time of change: each is read once and not once a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from sdpa_exp.data.digest import bytes_digest
from sdpa_exp.runs.files import write_json_atomic


def file_digests(paths: Sequence[Path], *, origin: Path, cache: Path) -> list[str]:
    """In hex, in order.

    Args:
        paths: files that are there.
        origin: the data set that they are of, which has a memory of its own.
        cache: our cache folder.

    Raises:
        OSError: a file can't be read, or the cache can't be written.
    """
    memory = cache / "digests" / f"{bytes_digest(str(origin).encode('utf-8', 'surrogateescape'))[:24]}.json"
    known = _load(memory)
    found = {str(path): _recall(path, known) for path in paths}
    if found != known:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(memory, found)
    return [str(found[str(path)][2]) for path in paths]


def file_digest(path: Path) -> str:
    """SHA-256 of a file of any size, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _recall(path: Path, known: dict[str, list[object]]) -> list[object]:
    status = path.stat()
    state: list[object] = [status.st_size, status.st_mtime_ns]
    entry = known.get(str(path))
    return entry if isinstance(entry, list) and len(entry) == 3 and entry[:2] == state else [*state, file_digest(path)]


def _load(memory: Path) -> dict[str, list[object]]:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
