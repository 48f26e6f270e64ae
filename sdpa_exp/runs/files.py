"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any


def write_text_atomic(path: Path, text: str) -> None:
    """Write through a temporary file in the same folder, so that a reader never sees half a file.

    Of several writers at once, processes or threads, the last one wins.

    Raises:
        OSError: with the path; what was there before stays.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_json_atomic(path: Path, content: Any) -> None:
    """Write JSON atomically, indented, with a newline at the end."""
    write_text_atomic(path, json.dumps(content, indent=2) + "\n")
