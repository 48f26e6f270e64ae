"""Folders in the cache that are built once: by one process, in a temporary place, and renamed when complete."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from sdpa_exp.errors import DatasetError

_log = logging.getLogger(__name__)


def build_once(folder: Path, *, build: Callable[[Path], None], fault_of: Callable[[Path], str | None]) -> Path:
    """Return `folder`, building it first if it is missing or damaged.

    Args:
        folder: where the result lives; its parent is created.
        build: fills an empty folder that is renamed to `folder` afterwards, so paths inside it must be relative.
        fault_of: what is wrong with an existing folder, or None.

    Raises:
        DatasetError: the cache folder can't be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if folder.exists():
                fault = fault_of(folder)
                if fault is None:
                    return folder
                _log.warning("%s is damaged (%s): building it again", folder, fault)
                shutil.rmtree(folder)
            build_whole(folder, build)
    except OSError as error:
        raise DatasetError(
            f"The data set cache can't be written: {error}. "
            f"Expected a folder with room at {folder.parent}; set SDPA_EXP_CACHE to one that you may write to."
        ) from error
    return folder


def build_whole(folder: Path, build: Callable[[Path], None]) -> None:
    """Let `build` fill an empty folder beside `folder`, and rename it when it is complete; nothing is left of half.

    Raises:
        OSError: the place can't be written.
    """
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        build(draft)
        draft.chmod(0o755)  # mkdtemp makes it private; other users of a shared cache may read
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
