"""Says how far something long is, and not at every step of it."""

from __future__ import annotations

import time
from collections.abc import Callable


def now_and_then(say: Callable[[str], None], what: str, *, every_s: float) -> Callable[[int, int], None]:
    """A function that is told how many of how many are done, and says so when the last time was long enough ago."""
    last_s = time.monotonic()

    def tell(num: int, total: int) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= every_s:
            last_s = time.monotonic()
            say(f"looked at {num} of {total} {what}")

    return tell
