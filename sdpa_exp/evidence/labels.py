"""Profiler ranges around the forwards of modules and around functions, so that a trace says what belongs to what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from torch import nn
from torch.profiler import record_function

LAYER_LABEL = "sdpa_exp.layer/"
"""Opens the name of a range around a layer's forward; the layer's name follows."""


@contextmanager
def labelled(module: nn.Module, text: str) -> Iterator[None]:
    """Within it, each forward of a module has a range with this text around it."""
    open_ranges: list[Any] = []

    def begin(module: nn.Module, args: Any) -> None:
        label = record_function(text)
        label.__enter__()
        open_ranges.append(label)

    def end(module: nn.Module, args: Any, output: Any) -> None:
        open_ranges.pop().__exit__(None, None, None)

    with module.register_forward_pre_hook(begin), module.register_forward_hook(end, always_call=True):
        yield


def labelled_call(function: Callable[..., Any], text: str) -> Callable[..., Any]:
    """The function with a range around each call."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with record_function(text):
            return function(*args, **kwargs)

    return call
