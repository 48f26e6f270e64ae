"""The dispatching forward: one class-level function that looks at a plain string on the instance.

`attn_impl` is the name of a core. It survives deepcopy, pickle, EMA, fuse() and best.pt, and a checkpoint that
carries it loads without this package, as an attribute that nobody reads. Seven other ways were tried and lose the
swap somewhere on that road.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from sdpa_exp.attention.core import CoreFunction
from sdpa_exp.attention.registry import get_core

ATTRIBUTE = "attn_impl"
OBSERVER = "attn_observer"
"""Set on an instance for the length of an attestation: wraps the core function, to see what it is called with."""

SiteForward = Callable[[Any, Tensor, CoreFunction], Tensor]
"""forward(module, x, core): the module's computation around the attention product, in the layout that cores want."""

_STOCK = "_sdpa_exp_stock_forward"


def install_dispatcher(cls: type[nn.Module], site_forward: SiteForward) -> None:
    """Give a module class a forward that dispatches on `attn_impl`. Calling it again changes nothing.

    Without the attribute, or with "stock", an instance runs the class's own forward.
    """
    if is_installed(cls):
        return
    stock: Callable[..., Tensor] = cls.forward

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        name = getattr(self, ATTRIBUTE, "stock")
        function = get_core(name).function
        if function is None:
            return stock(self, x)
        observer = self.__dict__.get(OBSERVER)
        return site_forward(self, x, function if observer is None else observer(function))

    setattr(forward, _STOCK, stock)
    cls.forward = forward


def is_installed(cls: type[nn.Module]) -> bool:
    """Whether the class has the dispatching forward."""
    return hasattr(cls.forward, _STOCK)


def stock_forward(cls: type[nn.Module]) -> Callable[[Any, Tensor], Tensor]:
    """The class's own forward, whether or not a dispatcher is installed."""
    return getattr(cls.forward, _STOCK, cls.forward)
