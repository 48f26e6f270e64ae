"""Whether what was read from a file has the types that its dataclass says: a damaged file may hold anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def wrong_fields(instance: Any) -> list[str]:
    """The fields of a dataclass whose values are of another type; a whole number is a float, a list a tuple."""
    return [name for name, hint in _hints(instance.__class__).items() if not _fits(getattr(instance, name), hint)]


@cache  # a comparison reads thousands of files
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:  # noqa: PLR0911 - one line a kind of type
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is Literal:
        return value in arguments
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and all(each is None or _fits(each, arguments[1]) for each in value.values())
    if origin in (list, tuple, Sequence):
        return isinstance(value, list | tuple) and all(_fits(each, arguments[0]) for each in value)
    if hint is float or hint is int:
        return isinstance(value, (int, float) if hint is float else int) and not isinstance(value, bool)
    return isinstance(value, hint)
