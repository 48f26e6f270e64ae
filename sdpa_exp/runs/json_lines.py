"""Reading a JSON-lines file that another process appends to, from a byte offset that survives us."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Line:
    """One complete line, and the offset right behind it."""

    content: dict[str, Any]
    end_offset: int


def read_from(path: Path, offset: int) -> list[Line]:
    """The complete lines behind `offset`; from the start if the file is now shorter (it was written anew)."""
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
        lines.append(Line(content=json.loads(raw), end_offset=offset))
    return lines
