"""The dispatching forward: one class-level function that looks at a plain string on the instance.

`attn_impl` is the name of a backend. It survives deepcopy, pickle, EMA, fuse() and best.pt, and a checkpoint that
carries it loads without this package, as an attribute that nobody reads. Seven other ways were tried and lose the
swap somewhere on that road.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import torch
from torch import Tensor, nn

from sdpa_exp.attention.backend import Backend, BackendFunction
from sdpa_exp.attention.registry import check, get_backend, refusal
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.errors import BackendUnavailable, InjectionError

ATTRIBUTE = "attn_impl"
REQUESTED = "attn_requested"
"""Set to "auto" beside a concrete `attn_impl` that `auto` chose; absent otherwise."""
_OBSERVER = "attn_observer"
"""Set on an instance by `observed`: wraps the backend function."""

LayerForward = Callable[..., Any]
"""forward(module, x, backend): the module's computation around the attention product, in the backends' layout.

What it takes besides (`rope=None`) are the arguments of the module's own forward that a backend doesn't see.
"""

_STOCK = "_sdpa_exp_stock_forward"


def install_dispatcher(cls: type[nn.Module], layer_forward: LayerForward) -> None:
    """Give a module class a forward that dispatches on `attn_impl`. Calling it again changes nothing.

    Without the attribute, or with "stock", an instance runs the class's own forward.
    """
    if is_installed(cls):
        return
    stock: Callable[..., Any] = cls.forward
    names = tuple(inspect.signature(stock).parameters)[1:]
    also_taken = frozenset(tuple(inspect.signature(layer_forward).parameters)[3:])

    @wraps(stock)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        name = getattr(self, ATTRIBUTE, "stock")
        backend = get_backend(name)
        function = backend.function
        if function is None:
            own = stock if backend.around is None else backend.around(stock)
            return own(self, *args, **kwargs)
        if kwargs or len(args) > 1:
            x, kwargs = _taken(type(self).__name__, names, also_taken, args, kwargs)
        else:
            x = args[0]
        if not torch.compiler.is_compiling():
            function = partial(_call, backend)
        observer = self.__dict__.get(_OBSERVER)
        return layer_forward(self, x, function if observer is None else observer(function), **kwargs)

    setattr(forward, _STOCK, stock)
    cls.forward = forward


@contextmanager
def observed(module: nn.Module, observer: Callable[[BackendFunction], BackendFunction]) -> Iterator[None]:
    """Within it, a layer's backend is what the observer makes of it, to see what it is called with."""
    module.__dict__[_OBSERVER] = observer
    try:
        yield
    finally:
        del module.__dict__[_OBSERVER]


def is_installed(cls: type[nn.Module]) -> bool:
    """Whether the class has the dispatching forward."""
    return hasattr(cls.forward, _STOCK)


def stock_forward(cls: type[nn.Module]) -> Callable[..., Any]:
    """The class's own forward, whether or not a dispatcher is installed."""
    return getattr(cls.forward, _STOCK, cls.forward)


def _call(backend: Backend, q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
    """The backend's product, with our words where it can't run: a model may meet another device than it was built on.

    Raises:
        BackendUnavailable: it can't run on these operands, or what it returns is not shaped like v.
    """
    assert backend.function is not None
    try:
        out_BHND = backend.function(q_BHND, k_BHND, v_BHND, scale)
    except (RuntimeError, ImportError) as error:
        reasons = check(backend, _setting_of(q_BHND, v_BHND))
        if not reasons:
            raise
        raise BackendUnavailable(refusal(backend.name, reasons)) from error
    expected = (*q_BHND.shape[:-1], v_BHND.shape[-1])  # as v, but for as many tokens as ask
    if out_BHND.shape != expected:
        raise BackendUnavailable(
            f"attention={backend.name} returned shape {tuple(out_BHND.shape)}: expected v's, {expected}, which is "
            "(B, H, N, D). Correct its function; see --help attention."
        )
    return out_BHND


def _setting_of(q_BHND: Tensor, v_BHND: Tensor) -> Setting:
    device = q_BHND.device
    return Setting(
        device_type=device.type,
        capability=torch.cuda.get_device_capability(device) if device.type == "cuda" else None,
        dtype=q_BHND.dtype,
        head_dim_qk=q_BHND.shape[-1],
        head_dim_v=v_BHND.shape[-1],
        num_heads=q_BHND.shape[1],
        num_tokens=q_BHND.shape[2],
        needs_grad=torch.is_grad_enabled() and q_BHND.requires_grad,
        deterministic=torch.are_deterministic_algorithms_enabled(),
        purpose="benchmark",
    )


def _taken(
    cls: str, names: tuple[str, ...], also_taken: frozenset[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """The first argument, and those of the others that a layer's forward takes, by name.

    A mask given as None or a switch left off changes nothing; anything else would be dropped silently.

    Raises:
        InjectionError: an argument that a backend would ignore.
    """
    unnamed = (str(place) for place in range(len(names) + 1, len(args) + 1))
    given = dict(zip([*names, *unnamed], args, strict=False)) | kwargs
    x = given.pop(names[0])
    others = [key for key, value in given.items() if value is not None and value is not False]
    if ignored := [key for key in others if key not in also_taken]:
        raise InjectionError(
            f"{cls} was called with more than its input (argument {', '.join(ignored)}), such as a mask, which no "
            "backend takes: expected the input alone. Use attention=stock for this model."
        )
    return x, {key: value for key, value in given.items() if key in also_taken}
