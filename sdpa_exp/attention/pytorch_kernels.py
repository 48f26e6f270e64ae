"""PyTorch's own attention kernels: a backend pinned to one of them, and PyTorch's word on which one it would choose.

A pinned backend raises when its kernel can't run; it never falls back. FlashAttention 3 and 4 take the place of
PyTorch's flash kernel through a registry of the process: whoever calls that kernel says first whose it shall be.

Sources: aten/src/ATen/native/transformers/cuda/sdp_utils.cpp, PyTorch 2.11 to 2.15; PyTorch itself has the last word.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import (
    SDPBackend,
    activate_flash_attention_impl,
    current_flash_attention_impl,
    restore_flash_attention_impl,
    sdpa_kernel,
)

from sdpa_exp.attention.backend import FUSED_OR_MATH, Backend, Kernel
from sdpa_exp.attention.padding import PaddedToOneHeadDim
from sdpa_exp.attention.requirements import Requirements, Setting

_NAMES: dict[int, Kernel] = {
    SDPBackend.MATH.value: "math",
    SDPBackend.FLASH_ATTENTION.value: "flash",
    SDPBackend.EFFICIENT_ATTENTION.value: "efficient",
    SDPBackend.CUDNN_ATTENTION.value: "cudnn",
}


FlashImpl = Literal["FA3", "FA4"]
"""A package that takes the place of PyTorch's flash kernel, as PyTorch's registry names it."""

_OF_IMPL: dict[FlashImpl, Kernel] = {"FA3": "flash3", "FA4": "flash4"}


def use_flash_impl(impl: str | None) -> None:
    """Let PyTorch's flash operations run this package's kernels (FA3, FA4) from now on, or (None) PyTorch's own again.

    It holds for the whole process, backward passes included: a step must end before another backend begins.

    Raises:
        ImportError, RuntimeError: the package is not there, or has no such kernels.
    """
    if torch.compiler.is_compiling() or current_flash_attention_impl() == impl:
        return
    if impl is None:
        restore_flash_attention_impl()
    else:
        activate_flash_attention_impl(impl)


@dataclass(frozen=True, kw_only=True)
class PinnedSdpa:
    """scaled_dot_product_attention held to one kernel; raises RuntimeError where that kernel can't run."""

    sdp_backend: SDPBackend
    flash_impl: FlashImpl | None = None

    def __call__(self, q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
        """softmax(q k^T * scale) v by this kernel; RuntimeError where it can't run."""
        if self.sdp_backend == SDPBackend.FLASH_ATTENTION:
            use_flash_impl(self.flash_impl)
        with sdpa_kernel(self.sdp_backend):
            return F.scaled_dot_product_attention(q_BHND, k_BHND, v_BHND, scale=scale)


def pinned(
    sdp_backend: SDPBackend,
    *,
    name: str,
    summary: str,
    requirements: Requirements,
    pads: bool = False,
    flash_impl: FlashImpl | None = None,
    executed_on: frozenset[str] = frozenset(),
) -> Backend:
    """A backend that is one of PyTorch's kernels, or a package's in the place of its flash kernel.

    With `pads` its operands are padded to one head_dim.
    """
    function = PinnedSdpa(sdp_backend=sdp_backend, flash_impl=flash_impl)
    return Backend(
        name=name,
        summary=summary,
        function=PaddedToOneHeadDim(function=function) if pads else function,
        kernels=frozenset({_OF_IMPL[flash_impl] if flash_impl else _NAMES[sdp_backend.value]}),
        requirements=requirements,
        confirm=functools.partial(_confirm_impl, flash_impl)
        if flash_impl
        else functools.partial(_confirm, sdp_backend, pads),
        executed_on=executed_on,
    )


def expected_kernel(backend: Backend, setting: Setting) -> Kernel | None:
    """The kernel that `backend` will run in this setting; None where the backend can't run or can't say."""
    if backend.kernels is not None and len(backend.kernels) == 1:
        return next(iter(backend.kernels))
    return _ask_pytorch(None, setting)[0] if backend.kernels == FUSED_OR_MATH else None


def _confirm_impl(impl: FlashImpl, setting: Setting) -> list[str]:
    """Why PyTorch's registry can't put this package in the place of its flash kernel; leaves the registry as it was."""
    before = current_flash_attention_impl()
    try:
        use_flash_impl(impl)
    except Exception as error:  # noqa: BLE001  # the package's import may raise anything
        return [f"PyTorch can't activate {impl} here: {type(error).__name__}: {error}"]
    finally:
        use_flash_impl(before)
    return []


def _confirm(sdp_backend: SDPBackend, pads: bool, setting: Setting) -> list[str]:
    """PyTorch's own reasons against one of its kernels."""
    if pads:  # what the kernel inside meets
        head_dim = max(setting.head_dim_qk, setting.head_dim_v)
        setting = dataclasses.replace(setting, head_dim_qk=head_dim, head_dim_v=head_dim)
    chosen, words = _ask_pytorch(sdp_backend, setting)
    if chosen == _NAMES[sdp_backend.value]:
        return []
    return [f"PyTorch refuses it here: {' '.join(words) or 'no reason given'}"]


def _ask_pytorch(sdp_backend: SDPBackend | None, setting: Setting) -> tuple[Kernel | None, list[str]]:
    """PyTorch's choice among one sdp_backend, or all it has enabled, and the warnings that explain a refusal."""

    def like(head_dim: int) -> Tensor:
        shape = (1, setting.num_tokens, setting.num_heads, head_dim)
        tensor = torch.zeros(shape, dtype=setting.dtype, device=setting.device_type, requires_grad=setting.needs_grad)
        return tensor.transpose(1, 2)

    q_BHND, k_BHND, v_BHND = like(setting.head_dim_qk), like(setting.head_dim_qk), like(setting.head_dim_v)
    only = sdpa_kernel(sdp_backend) if sdp_backend is not None else contextlib.nullcontext()
    with warnings.catch_warnings(record=True) as caught, only:
        warnings.simplefilter("always")
        try:
            choice = int(torch._fused_sdp_choice(q_BHND, k_BHND, v_BHND))
        except RuntimeError as error:
            return None, [str(error).splitlines()[0]]
    words = [str(warning.message).split(" (Triggered")[0] for warning in caught]
    return _NAMES.get(choice), words
