"""Reads a yaml file that must hold a mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sdpa_exp.errors import DatasetError


def read_mapping(path: Path) -> dict[str, Any]:
    """The content of a yaml file.

    Raises:
        DatasetError: the file is missing, is not yaml, or holds something else than keys and values.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist: set dataset.path to a data.yaml or to its folder.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} can't be read as YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} holds no keys: expected at least train, val and names.")
    return content
