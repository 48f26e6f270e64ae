"""The data.yaml that Ultralytics reads, for a folder with images/ and labels/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

DATA_YAML = "data.yaml"


def write_data_yaml(
    folder: Path,
    final_folder: Path,
    class_names: Sequence[str],
    splits: Sequence[str] = ("train", "val"),
    keypoints: Mapping[str, Any] | None = None,
) -> None:
    """Write `folder`/data.yaml with the absolute path that the folder will have in the end.

    `keypoints` are Ultralytics' keys about them: `kpt_shape`, `flip_idx` and such.
    """
    content = {
        "path": final_folder.as_posix(),
        **{split: f"images/{split}" for split in splits},
        "names": dict(enumerate(class_names)),
        **(keypoints or {}),
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (folder / DATA_YAML).write_text(text, encoding="utf-8")


def names_folder(folder: Path) -> bool:
    """Whether `folder`/data.yaml is whole and says that its images are in `folder`.

    Raises:
        OSError: there is no such file.
    """
    try:
        content = yaml.safe_load((folder / DATA_YAML).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return False
    return isinstance(content, dict) and content.get("path") == folder.as_posix()
