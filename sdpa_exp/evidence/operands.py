"""What the attention product is called with: shapes, dtype and strides of its operands, per layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from sdpa_exp.attention.backends.flex import BACKEND as FLEX
from sdpa_exp.attention.precision import dtype_name
from sdpa_exp.attention.registry import get_backend
from sdpa_exp.evidence.kernel_names import SOFTMAX_OPS
from sdpa_exp.injection.dispatch import observed
from sdpa_exp.injection.inject import layer_backend
from sdpa_exp.injection.layers import Layer

BACKEND_CALL = "backend"
"""Stands for the call of the backend itself: what it was handed, before anything inside it."""
_PRODUCTS = ("aten::_scaled_dot_product", "aten::scaled_dot_product", "flash_attn::_flash_attn")
_MATMULS = ("aten::bmm", "aten::baddbmm")


@dataclass(frozen=True, kw_only=True)
class Operand:
    """One operand of the product. `stride` is in elements."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str
    device: str


@dataclass(frozen=True, kw_only=True)
class ProductCall:
    """One call of the product at a layer: the operation seen, and its operands (q, k, v, or two of a matmul)."""

    layer: str
    op: str
    operands: tuple[Operand, ...]


class OperandRecorder(TorchDispatchMode):
    """Records, while active, the operands of each attention product inside a layer."""

    def __init__(self, layers: list[Layer]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[ProductCall] = []
        self.backend_calls: dict[str, int] = {layer.name: 0 for layer in layers}
        self._layers = layers
        self._current: str | None = None
        self._last_matmul: ProductCall | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the operands, then run the operation as it is."""
        if self._current is not None:
            self._note(func.name().split(".")[0], args)
        return func(*args, **(kwargs or {}))

    def _note(self, op: str, args: Any) -> None:
        assert self._current is not None
        operands = tuple(_operand(arg) for arg in args[:3] if isinstance(arg, Tensor))
        call = ProductCall(layer=self._current, op=op, operands=operands)
        if op.startswith(_PRODUCTS):
            self.calls.append(call)
        elif op in _MATMULS:
            self._last_matmul = call
        elif op in SOFTMAX_OPS and self._last_matmul is not None:
            self.calls.append(self._last_matmul)

    @contextmanager
    def watching(self) -> Iterator[OperandRecorder]:
        """Watch the layers: which one is running, and whether its backend is really called."""
        with ExitStack() as stack:
            for layer in self._layers:
                stack.enter_context(layer.module.register_forward_pre_hook(self._enter(layer.name)))
                stack.enter_context(layer.module.register_forward_hook(self._leave, always_call=True))
                stack.enter_context(observed(layer.module, self._count(layer)))
            stack.enter_context(self)
            yield self

    def _enter(self, name: str) -> Any:
        def hook(module: nn.Module, args: Any) -> None:
            self._current, self._last_matmul = name, None

        return hook

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self._current = None

    def _count(self, layer: Layer) -> Any:
        is_compiled = get_backend(layer_backend(layer)).kernels == FLEX.kernels

        def observe(function: Any) -> Any:
            def counted(*args: Any) -> Any:
                self.backend_calls[layer.name] += 1
                operands = tuple(_operand(arg) for arg in args[:3])
                if not is_compiled:
                    out = function(*args)
                    self.calls.append(ProductCall(layer=layer.name, op=BACKEND_CALL, operands=operands))
                    return out
                # A dispatch mode would switch compilation off, so flex is watched from outside.
                self.calls.append(ProductCall(layer=layer.name, op="flex_attention", operands=operands))
                with _disable_current_modes():
                    return function(*args)

            return counted

        return observe


def _operand(tensor: Tensor) -> Operand:
    return Operand(
        shape=tuple(tensor.shape),
        stride=tuple(tensor.stride()),
        dtype=dtype_name(tensor.dtype),
        device=tensor.device.type,
    )
