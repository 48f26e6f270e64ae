"""Digests of contents, files and data sets: equal bytes under equal names give an equal one on every machine."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

NO_LABEL = "-"


def content_digest(
    class_names: Sequence[str], files: Iterable[tuple[str, str, str, str]], left_out: Iterable[Sequence[str]] = ()
) -> str:
    """SHA-256 in hex over class names and files.

    Args:
        class_names: in the order of the class ids.
        left_out: the words of what was left out of them, in any order; without any the digest is that of the files.
        files: (split, relative name, SHA-256 of the image, SHA-256 of the label or NO_LABEL), in any order.
    """
    digest = hashlib.sha256()
    lines = (sorted("\0".join(each) for each in group) for group in (files, left_out))
    for line in ("\0".join(class_names), *itertools.chain(*lines)):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def bytes_digest(content: bytes) -> str:
    """SHA-256 of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file of any size, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
