"""Which kernel will PyTorch choose? Its own answer for one kind of call, without running it."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from sdpa_exp.attention.backend import FUSED_OR_MATH, Backend, Kernel
from sdpa_exp.attention.padding import PaddedToOneHeadDim
from sdpa_exp.attention.requirements import Setting, reasons_against
from sdpa_exp.attention.sdpa import PinnedSdpa

_NAMES: dict[int, Kernel] = {
    SDPBackend.MATH.value: "math",
    SDPBackend.FLASH_ATTENTION.value: "flash",
    SDPBackend.EFFICIENT_ATTENTION.value: "efficient",
    SDPBackend.CUDNN_ATTENTION.value: "cudnn",
}


def refusal(backend: Backend, setting: Setting, *, num_heads: int = 2, num_tokens: int = 400) -> list[str]:
    """Why `backend` can't run in this setting: our stated reasons, then PyTorch's own words; empty when it can."""
    reasons = reasons_against(backend.requirements, setting)
    sdp_backend = _pinned_kernel(backend)
    if reasons or sdp_backend is None:
        return reasons
    chosen, words = _ask_pytorch(sdp_backend, _as_called(backend, setting), num_heads, num_tokens)
    return [] if chosen in backend.kernels else [f"PyTorch refuses it here: {' '.join(words) or 'no reason given'}"]


def expected_kernel(backend: Backend, setting: Setting, *, num_heads: int = 2, num_tokens: int = 400) -> Kernel | None:
    """The kernel that `backend` will run in this setting; None where the backend can't run or can't say."""
    if len(backend.kernels) == 1:
        return next(iter(backend.kernels))
    return _ask_pytorch(None, setting, num_heads, num_tokens)[0] if backend.kernels == FUSED_OR_MATH else None


def _pinned_kernel(backend: Backend) -> SDPBackend | None:
    function = backend.function.function if isinstance(backend.function, PaddedToOneHeadDim) else backend.function
    return function.sdp_backend if isinstance(function, PinnedSdpa) else None


def _as_called(backend: Backend, setting: Setting) -> Setting:
    """The setting that the kernel inside a backend meets: with one head_dim, if the backend pads."""
    if not isinstance(backend.function, PaddedToOneHeadDim):
        return setting
    head_dim = max(setting.head_dim_qk, setting.head_dim_v)
    return dataclasses.replace(setting, head_dim_qk=head_dim, head_dim_v=head_dim)


def _ask_pytorch(
    sdp_backend: SDPBackend | None, setting: Setting, num_heads: int, num_tokens: int
) -> tuple[Kernel | None, list[str]]:
    """PyTorch's choice among one sdp_backend, or all it has enabled, and the warnings that explain a refusal."""

    def like(head_dim: int) -> torch.Tensor:
        shape = (1, num_tokens, num_heads, head_dim)
        tensor = torch.zeros(shape, dtype=setting.dtype, device=setting.device_type, requires_grad=setting.needs_grad)
        return tensor.transpose(1, 2)

    q_BHND, k_BHND, v_BHND = like(setting.head_dim_qk), like(setting.head_dim_qk), like(setting.head_dim_v)
    pinned = sdpa_kernel(sdp_backend) if sdp_backend is not None else contextlib.nullcontext()
    with warnings.catch_warnings(record=True) as caught, pinned:
        warnings.simplefilter("always")
        try:
            choice = int(torch._fused_sdp_choice(q_BHND, k_BHND, v_BHND))
        except RuntimeError as error:
            return None, [str(error).splitlines()[0]]
    words = [str(warning.message).split(" (Triggered")[0] for warning in caught]
    return _NAMES.get(choice), words
