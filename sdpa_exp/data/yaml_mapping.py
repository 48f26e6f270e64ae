"""Reads a yaml file that must hold a mapping, with every word as it was typed.

YAML 1.1 makes values of words: `yes` is True, `010` is 8, `null` is nothing, `2024-01-02` is a date. In a data.yaml
they are names of classes and folders.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from sdpa_exp.errors import DatasetError

_MERGE = "tag:yaml.org,2002:merge"


class _AsTyped(yaml.SafeLoader):
    """Plain words stay text, and a key that comes twice is an error; YAML keeps the last one without a word."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - pyyaml's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag == _MERGE]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.YAMLError(f"it has the key {twice} twice{node.start_mark}")
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """The content of a yaml file; keys and values are texts, lists and mappings, never numbers or booleans.

    Raises:
        DatasetError: the file is missing, is not yaml, or holds something else than keys and values.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_AsTyped)  # noqa: S506 - a SafeLoader
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist: set dataset.path to a data.yaml or to its folder.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} can't be read as YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} holds no keys: expected at least train, val and names.")
    return content


def is_given(value: object) -> bool:
    """Whether a key of such a mapping has a value: an empty one and YAML's words for nothing are none."""
    return value not in ("", "~", "null", "Null", "NULL", None, [], {})
