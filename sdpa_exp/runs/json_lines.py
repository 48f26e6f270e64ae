"""Files of one JSON object a line: appended by one process, read by others meanwhile, from any byte offset."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdpa_exp.errors import DamagedFile


@dataclass(frozen=True, kw_only=True)
class Line:
    """One complete line, and the offset right behind it."""

    content: dict[str, Any]
    end_offset: int


class LineWriter:
    """Appends lines. Each is with the system when `write` returns; with `sync` it is on the disk."""

    def __init__(self, path: Path, *, sync: bool) -> None:
        self._file = path.open("ab", buffering=0)  # a buffer would try what a full disk refused again, at any time
        self._sync = sync

    def write(self, content: dict[str, Any]) -> None:
        """Append one line, or nothing.

        Raises:
            OSError: the disk is full or gone; the lines before stay readable, and those after, once there is room.
        """
        line = json.dumps(content, allow_nan=True).encode() + b"\n"
        end = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file.name)
            if self._sync:
                os.fsync(self._file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(end)
            raise

    def close(self) -> None:
        """Close the file; further writes are an error."""
        self._file.close()


def read_lines(path: Path, offset: int = 0) -> list[Line]:
    """The complete lines behind `offset`; from the start if the file is now shorter (it was written anew).

    A half-written last line, as a kill leaves it, is left out; a file that is not there has no lines.

    Raises:
        DamagedFile: a complete line is no JSON object.
    """
    if not path.exists():
        return []
    with path.open("rb") as file:
        if offset > file.seek(0, 2):
            offset = 0
        file.seek(offset)
        data = file.read()
    lines: list[Line] = []
    for raw in data.splitlines(keepends=True):
        if not raw.endswith(b"\n"):
            break
        offset += len(raw)
        lines.append(Line(content=_object(raw, path), end_offset=offset))
    return lines


def _object(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        begin = raw[:40].decode(errors="replace")
        raise DamagedFile(
            f"{path} is damaged: a line begins with {begin!r}, and a JSON object was expected. Put the file back from "
            f"a copy, or leave the run out."
        )
    return content
