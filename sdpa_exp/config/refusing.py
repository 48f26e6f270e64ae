"""How a value is refused: one sentence with what, got, expected, and the next step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from sdpa_exp.errors import ConfigError

PRECISIONS = ("fp32", "fp16", "bf16")
_RENAMED = (
    (r"allow_shared_cpu", "allow_shared_device"),
    (r"attention\.core", "attention.backend"),
    (r"predict\.save", "detect.save"),
    (r"predict(\.\w+)?", r"latency\1"),
    (r"(compare\.primary\.\w+)\.quantity", r"\1.metric"),
)


def refuse_old_name(key: str) -> None:
    """Refuse a key by its former name.

    Raises:
        ConfigError: with the name it has now.
    """
    for old, new in _RENAMED:
        found = re.fullmatch(old, key)
        if found is not None:
            raise ConfigError(f"{key} has another name now: expected {found.expand(new)}. Write that in its place.")


def at_least(key: str, got: float, least: int, next_step: str) -> None:
    """Refuse a number below `least`."""
    if got < least:
        refuse(key, got, f"{least} or more", next_step)


def multiple_of_32(key: str, got: int) -> None:
    """Refuse an image size that the strides of a detector don't divide."""
    if got < 32 or got % 32:
        refuse(key, got, "a multiple of 32 from 32 on", f"Set {key}={max(32, round(got / 32) * 32)}.")


def one_of(key: str, got: str, options: Sequence[str]) -> None:
    """Refuse a word that is none of the options, and name the nearest."""
    if got not in options:
        refuse(key, got, f"one of {', '.join(options)}", nearest(key, got, options))


def nearest(key: str, got: str, options: Sequence[str]) -> str:
    """The next step that names the option closest to what was written."""
    return f"Set {key}={next(iter(get_close_matches(got, options, n=1, cutoff=0.0)), options[0])}."


def refuse(key: str, got: Any, expected: str, next_step: str) -> NoReturn:
    """Raise ConfigError: what, got, expected, next step."""
    raise ConfigError(f"{key}={got} can't work: expected {expected}. {next_step}")
