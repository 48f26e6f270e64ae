"""What a model calls a layer with, to call it again on other numbers of the same shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_map


class _FirstType:
    """Stands for the first argument wherever a call has it: self-attention may be given one tensor three times."""


_FIRST = _FirstType()


@dataclass(frozen=True, kw_only=True)
class SeenCall:
    """A layer's first argument, and all of its arguments with a placeholder for that one."""

    x: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def repeat(self, module: nn.Module, x: Any) -> Tensor:
        """Call a layer as it was called, with this first argument; the first tensor of what it returns."""
        args, kwargs = tree_map(lambda leaf: x if leaf is _FIRST else leaf, (self.args, self.kwargs))
        out = module(*args, **kwargs)
        return out[0] if isinstance(out, tuple) else out  # type: ignore[no-any-return]


def note_call(module: nn.Module, note: Callable[[SeenCall], None]) -> Callable[[], None]:
    """Call `note` with every call of a layer, detached; what comes back ends it."""

    def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
        first = args[0] if args else next(iter(kwargs.values()))
        held = tree_map(lambda leaf: _FIRST if leaf is first else _detached(leaf), (args, kwargs))
        note(SeenCall(x=_detached(first), args=held[0], kwargs=held[1]))

    return module.register_forward_pre_hook(hook, with_kwargs=True).remove


def _detached(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, Tensor) else leaf
