"""What was found out about files, remembered by size and time of change: each is read once and not once a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdpa_exp.data.dataset_digest import bytes_digest, file_digest
from sdpa_exp.runs.files import write_json_atomic


class FileMemory:
    """The memory of one data set; what it holds are JSON values, by file."""

    def __init__(self, folder: Path, *, origin: Path) -> None:
        """Read it.

        Args:
            folder: below our cache folder, for memories of this kind.
            origin: the data set that the files are of.
        """
        name = bytes_digest(str(origin).encode("utf-8", "surrogateescape"))[:16]
        self._path = folder / f"{name}.json"
        self._known = _load(self._path)
        self._states: dict[Path, list[int]] = {}

    def recall(self, path: Path) -> Any:
        """What is known of a file as it is now; None where that is nothing. Look at it only afterwards."""
        try:
            status = path.stat()
        except OSError:
            return None
        state = self._states[path] = [status.st_size, status.st_mtime_ns]
        entry = self._known.get(str(path))
        return entry[2] if isinstance(entry, list) and len(entry) == 3 and entry[:2] == state else None

    def keep(self, found: Mapping[Path, Any]) -> None:
        """Remember these, as the files were when they were recalled, and nothing else.

        Raises:
            OSError: the memory can't be written.
        """
        entries = {str(path): [*self._states[path], value] for path, value in found.items() if path in self._states}
        if entries != self._known:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json_atomic(self._path, entries)


def file_digests(paths: Sequence[Path], *, origin: Path, cache: Path) -> list[str]:
    """SHA-256 of files in hex, in order; of those of a data set each is read once and not once a run.

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


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
