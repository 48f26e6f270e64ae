"""`stock_fixed`: the module's own code, with the gradients of its parts made contiguous.

PyTorch's batch norm computes a wrong gradient on a CPU in training mode, when its input is NCHW-contiguous with one
image and the incoming gradient has the strides of channels_last in all dimensions but the first (seen with 2.11.0 and
2.15.0; docs/ has a reproduction). Area attention makes that gradient where area > 1: its (B, H*W, C) tokens, seen as
images. Layouts that a batch norm can take are views or contiguous, so that one copy in backward is all it needs.
The forward is bit-equal to stock's; so is the backward wherever the gradient was contiguous already (1 area, PSA).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.requirements import ANYWHERE


class _ContiguousGradient(torch.autograd.Function):
    """The identity; in backward the gradient is laid out as the output was."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.is_channels_last = x.ndim == 4 and not x.is_contiguous() and _is_channels_last(x)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.contiguous(memory_format=torch.channels_last if ctx.is_channels_last else torch.contiguous_format)


class _Parts:
    """A module as its own forward sees it, whose parts hand back outputs with contiguous gradients."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        return _with_contiguous_gradient(value) if isinstance(value, nn.Module) else value


def with_contiguous_gradients(own_forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The forward of a class, run so that no batch norm in it meets a gradient in a layout of its own."""

    def forward(module: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
        needs_it = any(isinstance(part, _BatchNorm) for part in module.modules())
        return own_forward(_Parts(module) if needs_it else module, *args, **kwargs)

    return forward


def _with_contiguous_gradient(part: nn.Module) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        out = part(*args, **kwargs)
        return _ContiguousGradient.apply(out) if isinstance(out, Tensor) and out.requires_grad else out

    return call


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


BACKEND = Backend(
    name="stock_fixed",
    summary="stock with contiguous gradients: right where PyTorch's batch norm is wrong (a CPU, NCHW, one image)",
    function=None,
    around=with_contiguous_gradients,
    kernels=frozenset({"softmax"}),
    requirements=ANYWHERE,
    executed_on=frozenset({"cpu"}),
)
