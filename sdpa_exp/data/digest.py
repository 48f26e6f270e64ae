"""The content digest of a data set: equal bytes under equal names give an equal digest on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

NO_LABEL = "-"


def content_digest(class_names: Sequence[str], files: Iterable[tuple[str, str, str, str]]) -> str:
    """SHA-256 in hex over class names and files.

    Args:
        class_names: in the order of the class ids.
        files: (split, relative name, SHA-256 of the image, SHA-256 of the label or NO_LABEL), in any order.
    """
    digest = hashlib.sha256()
    for line in ("\0".join(class_names), *sorted("\0".join(file) for file in files)):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def bytes_digest(content: bytes) -> str:
    """SHA-256 of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()
