"""A data set in a zip file: unpacked once into the cache, by its content, and nothing outside of the folder for it."""

from __future__ import annotations

import json
import logging
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from sdpa_exp.data.build_once import build_once
from sdpa_exp.data.file_memory import file_digests
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.files import write_json_atomic

MANIFEST = ".unpacked.json"  # name -> size, of all files; hidden, so that no data set takes it for its own
_log = logging.getLogger(__name__)


def unpacked(path: Path, cache: Path) -> Path:
    """The folder that a zip file's content is in; below the one folder that it may have around all.

    Raises:
        DatasetError: it is no zip file or damaged, holds a path or link that leads out of it, or there is no room.
    """
    folder = cache / "unzipped" / file_digests([path], origin=path, cache=cache)[0][:24]
    build_once(folder, build=lambda draft: unpack(path, draft), fault_of=fault_of)
    return inner_folder(folder)


def unpack(path: Path, draft: Path) -> None:
    """Unpack into an empty folder, and list there what came.

    Raises:
        DatasetError: as `unpacked`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            for member in members:
                _refuse(path, member)
            size = sum(member.file_size for member in members)
            free = shutil.disk_usage(draft).free
            if size > free:
                raise DatasetError(
                    f"{path} holds {_mib(size)} in {len(members)} files, and {draft.parent} has {_mib(free)} free: set "
                    "SDPA_EXP_CACHE to a folder with more room."
                )
            _log.info("unpacking %s: %d files, %s", path, len(members), _mib(size))
            for member in members:
                archive.extract(member, draft)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DatasetError(f"{path} can't be unpacked: {error}. Expected a whole zip file: fetch it again.") from error
    written = {member.filename: member.file_size for member in members}
    write_json_atomic(draft / MANIFEST, written)


def inner_folder(folder: Path) -> Path:
    """The folder itself, or the only one in it: many zip files have one around all."""
    while True:
        inside = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].name in ("images", "train"):
            return folder
        folder = inside[0]


def _refuse(path: Path, member: zipfile.ZipInfo) -> None:
    """A name or link that leads elsewhere; Python would rename the one and write the other as text."""
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
        raise DatasetError(
            f"{path} holds {member.filename}, which leads out of its folder: nothing of it was unpacked."
        )
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DatasetError(f"{path} holds the link {member.filename}: expected files only, nothing of it was unpacked.")
    if member.flag_bits & 1:
        raise DatasetError(f"{path} is locked by a password: unpack it yourself, and set dataset.path to the folder.")


def fault_of(folder: Path) -> str | None:
    """What differs from what was unpacked, by name and size."""
    try:
        written: dict[str, int] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        other = [name for name, size in written.items() if (folder / name).stat().st_size != size]
        return f"{other[0]} was changed" if other else None
    except (OSError, ValueError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
