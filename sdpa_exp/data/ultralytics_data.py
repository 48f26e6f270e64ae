"""Data sets that Ultralytics describes itself, such as coco8.yaml: used where they lie, or fetched by its own download.

    python -m sdpa_exp.data.ultralytics_data FILE FOLDER [MIRROR]

is the process that fetches: the one that starts runs imports no Ultralytics.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path

from sdpa_exp.config.credentials import without_credentials
from sdpa_exp.config.schema import UltralyticsDataset
from sdpa_exp.data.build_once import build_once
from sdpa_exp.data.fetch import UnreachableError, ask
from sdpa_exp.data.find_images import absolute
from sdpa_exp.data.yaml_mapping import read_mapping
from sdpa_exp.errors import DatasetError

_ASSETS = (
    "https://github.com/ultralytics/assets/releases/download/v0.0.0"  # ASSETS_URL in ultralytics/utils/__init__.py
)
_TIMEOUT_S = 5
_log = logging.getLogger(__name__)


def ultralytics_data(dataset: UltralyticsDataset, cache: Path) -> tuple[Path, Path]:
    """(Ultralytics' yaml, the folder that its `path:` means); fetched first where it is nowhere on the disk.

    Raises:
        DatasetError: Ultralytics has no such file, or the data are not there and can't be fetched.
    """
    file = _described(dataset)
    name = str(read_mapping(file)["path"])
    if dataset.path is not None:
        place = absolute(Path(dataset.path).expanduser())
        found = next((folder for folder in (place / name, place) if _has_data(folder, file)), None)
        if found is None:
            raise DatasetError(
                f"dataset.path={dataset.path} doesn't hold {name}: expected {', '.join(_places(file))} in it. "
                f"{_elsewhere(file, place / name)}"
            )
        return file, found
    target = cache / "downloads" / file.stem
    for folder in (*_settings_folders(name), target / name):
        if _has_data(folder, file):
            return file, folder
    build_once(
        target,
        build=lambda draft: _download(dataset, file, draft, target / name),
        fault_of=lambda found: None if _has_data(found / name, file) else "its images are not there",
    )
    return file, target / name


def _described(dataset: UltralyticsDataset) -> Path:
    spec = util.find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "cfg" / "datasets"
    if not (folder / dataset.file).is_file():
        raise DatasetError(
            f"dataset.file={dataset.file} is none of Ultralytics' data sets: expected one such as coco8.yaml, "
            f"out of {folder}."
        )
    return folder / dataset.file


def _places(file: Path) -> list[str]:
    """What must be there to train and to judge, relative to the data set's folder."""
    content = read_mapping(file)
    values = [content.get(split) or [] for split in ("train", "val")]
    return [str(place) for value in values for place in (value if isinstance(value, list) else [value])]


def _has_data(folder: Path, file: Path) -> bool:
    return all((folder / place).exists() for place in _places(file))


def _settings_folders(name: str) -> list[Path]:
    """Where the user's own Ultralytics keeps its data sets; our workers have a settings folder of their own."""
    home = Path.home()
    named = [os.environ.get("YOLO_CONFIG_DIR"), os.environ.get("XDG_CONFIG_HOME")]
    usual = [home / ".config", home / "AppData" / "Roaming", home / "Library" / "Application Support"]
    found = []
    for config in (*(Path(each) for each in named if each), *usual):
        try:
            settings = json.loads((config / "Ultralytics" / "settings.json").read_text(encoding="utf-8"))
            found.append(Path(settings["datasets_dir"]) / name)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _download(dataset: UltralyticsDataset, file: Path, draft: Path, final: Path) -> None:
    url = _first_url(file, dataset.mirror)
    try:
        ask(url, method="HEAD", timeout_s=_TIMEOUT_S)
    except UnreachableError as error:
        raise DatasetError(
            f"dataset={dataset.name} is not on this disk, and can't be fetched: {error}. {_elsewhere(file, final)}"
        ) from None
    log_path = draft.parent / f"{file.stem}.log"
    _log.info("fetching %s by Ultralytics' own download (its log: %s)", dataset.name, log_path)
    command = [sys.executable, "-m", "sdpa_exp.data.ultralytics_data", str(file), str(draft), dataset.mirror or ""]
    environment = without_credentials(os.environ) | {"YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(draft)}
    with log_path.open("wb") as log:
        done = subprocess.run(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=draft,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode or not _has_data(draft / final.name, file):
        lines = [line for line in log_path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        last = lines[-1] if done.returncode and lines else f"no {_places(file)[0]} in what came"
        raise DatasetError(
            f"dataset={dataset.name} wasn't fetched: Ultralytics' download ended with: {last} (log: {log_path}). "
            f"Nothing was kept. {_elsewhere(file, final)}"
        )
    log_path.unlink()


def _first_url(file: Path, mirror: str | None) -> str:
    """The first address that the download asks: a zip file of Ultralytics' own, for each of the four."""
    text = file.read_text(encoding="utf-8").partition("\ndownload:")[2]
    found = re.search(r"/([\w.-]+\.zip)", text)
    name = found.group(1) if found else f"{file.stem}.zip"
    return f"{(mirror or _ASSETS).rstrip('/')}/{name}"


def _elsewhere(file: Path, folder: Path) -> str:
    """How the data get to a machine without network."""
    url = str(read_mapping(file).get("download", "")).strip()
    if url.startswith("http"):
        what = f"fetch {url} on a machine that can, and unpack it"
    else:
        code = f"from ultralytics.data.utils import check_det_dataset as c; c('{file.name}')"
        what = f'run `python -c "{code}"` on a machine that can, and copy what it fetches'
    place = folder / _places(file)[0]
    return f"Where there is no network: {what} so that {place} is there, or set dataset.path to its place."


def download(file: Path, folder: Path, mirror: str) -> None:
    """What `ultralytics.data.utils.check_det_dataset` does for a data set that isn't there, into `folder`."""
    import ultralytics.utils as settings
    from ultralytics.data import utils

    text = file.read_text(encoding="utf-8")
    if mirror:
        text = text.replace(_ASSETS, mirror.rstrip("/"))
        settings.ASSETS_URL = mirror.rstrip("/")
    utils.DATASETS_DIR = folder
    utils.check_font = lambda *args, **kwargs: None  # it would ask the network, too
    copy = folder / file.name
    copy.write_text(text, encoding="utf-8")
    utils.check_det_dataset(str(copy))
    copy.unlink()
    shutil.rmtree(folder / "Ultralytics", ignore_errors=True)  # its settings, of this process alone
    for archive in folder.rglob("*.zip"):
        archive.unlink()


if __name__ == "__main__":
    download(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
