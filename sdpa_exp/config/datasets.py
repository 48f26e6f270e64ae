"""Settings of a data set: which can't work, and which tell comparison groups apart.

Whether the data are there is looked for later (data/sources.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sdpa_exp.config.refusing import at_least, one_of, refuse
from sdpa_exp.config.schema import AnyDataset, RoboflowDataset, SyntheticDataset, UltralyticsDataset, YoloDirDataset
from sdpa_exp.errors import ConfigError

ON_BAD = ("refuse", "drop")
TAKES = {
    "yolo_dir": ("a data.yaml, or a folder with images/ and labels/", "data.yaml"),
    "coco_json": ("a folder with images and COCO's annotations, or the JSON file", "folder"),
    "voc_xml": ("a folder with images and Pascal VOC's XML files", "folder"),
}
"""By kind of data set, what `dataset.path` expects, and a name as example."""

# Where a data set is fetched from and checked by: its own digest is in the record.
_WHENCE = ("mirror", "api", "digest")
_SHARES = ("fraction", "limit", "val_share")  # not set, a group has the name that it had before there were any
_PARTS = ("annotations", "Annotations")  # of a data set: a name for none
_HERE = ("localhost", "127.0.0.1", "::1")


def check_dataset(dataset: AnyDataset) -> None:
    """Check one setting.

    Raises:
        ConfigError: one sentence about the first thing that can't work.
    """
    if dataset.fraction is not None and not 0 < dataset.fraction <= 1:
        refuse("dataset.fraction", dataset.fraction, "a share above 0 and up to 1", "Set dataset.fraction=0.1.")
    if dataset.limit is not None:
        at_least("dataset.limit", dataset.limit, 1, "Set dataset.limit=100.")
    if isinstance(dataset, SyntheticDataset):
        for key in ("num_train_images", "num_val_images"):
            at_least(f"dataset.{key}", getattr(dataset, key), 1, f"Set dataset.{key}=64.")
        at_least("dataset.image_px", dataset.image_px, 32, "Set dataset.image_px=640.")
        at_least("dataset.render_seed", dataset.render_seed, 0, "Set dataset.render_seed=0.")
        return
    if isinstance(dataset, UltralyticsDataset):
        _check_address("dataset.mirror", dataset.mirror)
    elif isinstance(dataset, RoboflowDataset):
        _check_api(dataset.api)
    elif not dataset.path:
        takes, example = TAKES[dataset.kind]
        raise ConfigError(
            f"dataset.path is missing: dataset={dataset.kind} expects {takes}. Add dataset.path=path/to/{example}."
        )
    one_of("dataset.on_bad", dataset.on_bad, ON_BAD)
    if isinstance(dataset, YoloDirDataset):
        at_least("dataset.split_seed", dataset.split_seed, 0, "Set dataset.split_seed=0.")
        if dataset.val_share is not None and not 0 < dataset.val_share < 1:
            refuse("dataset.val_share", dataset.val_share, "a share between 0 and 1", "Set dataset.val_share=0.2.")


def own_name(dataset: dict[str, Any]) -> str:
    """The name of a data set; of one's own, which was given none, that of its folder or zip file."""
    name, path = str(dataset["name"]), dataset.get("path")
    if name != dataset.get("kind") or name not in TAKES or not path:
        return name
    place = Path(path)
    folder = place.parent if place.suffix.lower() in (".yaml", ".yml", ".json") else place
    folder = folder.parent if folder.name in _PARTS else folder
    return (folder.stem if folder.suffix.lower() == ".zip" else folder.name) or name


def group_of(dataset: dict[str, Any]) -> dict[str, Any]:
    """The settings that must be equal for two runs to be compared, by key."""
    without = {*_WHENCE, *(key for key in _SHARES if dataset.get(key) is None)}
    without |= {"split_seed"} if "val_share" in without else set()
    return {key: value for key, value in dataset.items() if key not in without}


def _check_api(api: str) -> None:
    _check_address("dataset.api", api)
    if urlsplit(api).scheme == "http" and urlsplit(api).hostname not in _HERE:
        step = f"Set dataset.api={api.replace('http', 'https', 1)}."
        refuse("dataset.api", api, "https, since it gets your key", step)


def _check_address(key: str, address: str | None) -> None:
    if address is not None and not re.fullmatch(r"https?://[^\s?#]+", address):
        refuse(key, address, "an address with http:// or https://", f"Set {key}=https://HOST/FOLDER.")
