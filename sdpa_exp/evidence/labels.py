"""Profiler ranges around the forwards of modules and around functions, so that a trace says what belongs to what."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

from torch import nn
from torch.profiler import record_function

LAYER_LABEL = "sdpa_exp.layer/"
"""Opens the name of a range around a layer's forward; the layer's name follows."""


class labelled:  # noqa: N801 - reads as a verb in a with statement
    """Puts a range with this text around each forward of a module, for the length of a with statement."""

    def __init__(self, module: nn.Module, text: str) -> None:
        self._module = module
        self._text = text
        self._ranges: list[Any] = []

    def __enter__(self) -> None:
        self._handles = (
            self._module.register_forward_pre_hook(self._open),
            self._module.register_forward_hook(self._close, always_call=True),
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _open(self, module: nn.Module, args: Any) -> None:
        label = record_function(self._text)
        label.__enter__()
        self._ranges.append(label)

    def _close(self, module: nn.Module, args: Any, output: Any) -> None:
        self._ranges.pop().__exit__(None, None, None)


def labelled_call(function: Callable[..., Any], text: str) -> Callable[..., Any]:
    """The function with a range around each call."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with record_function(text):
            return function(*args, **kwargs)

    return call
