"""The class names of a data.yaml, as they were typed: a list, a mapping from 0 on, or only their number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdpa_exp.data.yaml_mapping import is_given
from sdpa_exp.errors import DatasetError


def read_class_names(content: dict[str, Any], origin: Path) -> tuple[str, ...]:
    """Class names in the order of their ids.

    Args:
        content: of the data.yaml, with words as they were typed (`read_mapping`).
        origin: the data.yaml.

    Raises:
        DatasetError: there are none, one is empty, ids leave gaps, or `nc` says another number.
    """
    names, count = content.get("names"), _count(content, origin)
    if not is_given(names) and count:
        return tuple(f"class_{i}" for i in range(count))
    if isinstance(names, dict):
        by_id = {int(key): value for key, value in names.items() if str(key).isdecimal()}
        if sorted(by_id) != list(range(len(names))):
            raise DatasetError(
                f"{origin} numbers its names {', '.join(map(str, names))}: expected 0, 1, 2 without gaps."
            )
        found = [by_id[i] for i in range(len(by_id))]
    else:
        found = names if isinstance(names, list) else []
    if not found:
        raise DatasetError(f"{origin} has no class names: expected 'names:' with a list, or with 0: first, 1: second.")
    for number, name in enumerate(found):
        if not isinstance(name, str) or not name.strip():
            got = "is empty" if name == "" else f"is {name}"
            raise DatasetError(f"{origin}: the name of class {number} {got}: expected a word. Put it in quotes.")
    if count is not None and count != len(found):
        raise DatasetError(f"{origin} says nc: {count} but names {len(found)} classes: correct one of the two.")
    return tuple(found)


def _count(content: dict[str, Any], origin: Path) -> int | None:
    """`nc`, the number of classes; as Ultralytics, 2.0 counts as 2."""
    if not is_given(content.get("nc")):
        return None
    try:
        count = float(content["nc"])
    except (TypeError, ValueError):
        count = 0.5
    if count < 1 or count != int(count):
        raise DatasetError(f"{origin} says nc: {content['nc']}: expected a whole number, 1 or more, or no such line.")
    return int(count)
