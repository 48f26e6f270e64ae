"""The class names of a data.yaml: a list, a mapping from 0 on, or only their number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdpa_exp.errors import DatasetError


def read_class_names(content: dict[str, Any], origin: Path) -> tuple[str, ...]:
    """Class names in the order of their ids.

    Raises:
        DatasetError: there are none, ids leave gaps, or `nc` says another number.
    """
    names, count = content.get("names"), content.get("nc")
    if names is None and isinstance(count, int) and count > 0:
        return tuple(f"class_{i}" for i in range(count))
    if isinstance(names, dict):
        if sorted(map(str, names)) != sorted(str(i) for i in range(len(names))):
            raise DatasetError(
                f"{origin} numbers its names {', '.join(map(str, names))}: expected 0, 1, 2 without gaps."
            )
        by_id = {int(key): str(name) for key, name in names.items()}
        found = tuple(by_id[i] for i in range(len(by_id)))
    elif isinstance(names, list):
        found = tuple(str(name) for name in names)
    else:
        found = ()
    if not found:
        raise DatasetError(f"{origin} has no class names: expected 'names:' with a list, or with 0: first, 1: second.")
    if count is not None and str(count) != str(len(found)):
        raise DatasetError(f"{origin} says nc: {count} but names {len(found)} classes: correct one of the two.")
    return found
