"""Registers sets of callbacks on a trainer or a YOLO object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Callbacks = Mapping[str, Callable[[Any], None]]
"""Ultralytics event -> function of the trainer (or validator) that fires it."""


class Watcher(Protocol):
    """Something that watches a training."""

    def callbacks(self) -> Callbacks:
        """Event -> function."""
        ...


def attach(target: Any, *watchers: Watcher) -> None:
    """Register the watchers' callbacks on a trainer or YOLO object; for one event they run in the order given."""
    for watcher in watchers:
        for event, function in watcher.callbacks().items():
            target.add_callback(event, function)
