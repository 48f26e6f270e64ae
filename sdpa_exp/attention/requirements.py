"""Can a core run here? Requirements are data; the answer is a list of reasons why not, empty when it can.

Sources: aten/src/ATen/native/transformers/cuda/sdp_utils.cpp and .../transformers/sdp_utils_cpp.cpp (PyTorch 2.11 to
2.15), and calls of `torch._fused_sdp_choice`, which gives its reasons in warnings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

FLOATS = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})
HALVES = frozenset({torch.float16, torch.bfloat16})

_SHORT = {torch.float32: "fp32", torch.float64: "fp64", torch.float16: "fp16", torch.bfloat16: "bf16"}


def dtype_name(dtype: torch.dtype) -> str:
    """The short name people use: fp32, bf16, ..."""
    return _SHORT.get(dtype, str(dtype).removeprefix("torch."))


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a core is asked to do: one kind of call.

    Attributes:
        device_type: cpu, cuda or mps.
        capability: CUDA compute capability, None elsewhere.
        dtype: of q, k and v when they reach the core (under autocast: the autocast dtype).
        head_dim_qk, head_dim_v: last dimension of q and k, and of v.
        needs_grad: whether a backward pass follows.
    """

    device_type: str
    capability: tuple[int, int] | None
    dtype: torch.dtype
    head_dim_qk: int
    head_dim_v: int
    needs_grad: bool = True


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """When a core can run. `dtypes` maps a device type to what it takes there; an absent device is unsupported.

    Attributes:
        min_capability: lowest CUDA compute capability.
        min_capability_bf16: the same, for bf16.
        max_head_dim: per head, None for no limit.
        head_dim_multiple: dtype -> divisor of head_dim on CUDA.
        equal_head_dims: q, k and v need one head_dim.
        grad_devices: device types with a backward pass.
    """

    dtypes: Mapping[str, frozenset[torch.dtype]]
    min_capability: tuple[int, int] | None = None
    min_capability_bf16: tuple[int, int] | None = None
    max_head_dim: int | None = None
    head_dim_multiple: Mapping[torch.dtype, int] = field(default_factory=dict)
    equal_head_dims: bool = False
    grad_devices: frozenset[str] = frozenset({"cpu", "cuda", "mps"})


ANYWHERE = Requirements(dtypes={"cpu": FLOATS, "cuda": FLOATS, "mps": FLOATS - {torch.float64}})


def reasons_against(requirements: Requirements, setting: Setting) -> list[str]:
    """Every reason why a core with these requirements can't run in this setting; an empty list means it can."""
    device = setting.device_type
    if device not in requirements.dtypes:
        return [f"it has no {device.upper()} kernel (it runs on {', '.join(d.upper() for d in requirements.dtypes)})"]
    checks = (_dtype_reasons, _capability_reasons, _head_dim_reasons, _grad_reasons)
    return [reason for check in checks for reason in check(requirements, setting)]


def _dtype_reasons(requirements: Requirements, setting: Setting) -> list[str]:
    accepted = requirements.dtypes[setting.device_type]
    if setting.dtype in accepted:
        return []
    wanted = " or ".join(sorted(dtype_name(dtype) for dtype in accepted))
    return [f"it needs {wanted} on {setting.device_type.upper()}, and the precision is {dtype_name(setting.dtype)}"]


def _capability_reasons(requirements: Requirements, setting: Setting) -> list[str]:
    if setting.capability is None:
        return []
    lowest = requirements.min_capability
    if setting.dtype is torch.bfloat16 and requirements.min_capability_bf16 is not None:
        lowest = max(requirements.min_capability_bf16, lowest or (0, 0))
    if lowest is None or setting.capability >= lowest:
        return []
    got, want = (f"{major}.{minor}" for major, minor in (setting.capability, lowest))
    suffix = " for bf16" if setting.dtype is torch.bfloat16 and requirements.min_capability_bf16 else ""
    return [f"it needs compute capability {want}{suffix}, and this GPU has {got}"]


def _head_dim_reasons(requirements: Requirements, setting: Setting) -> list[str]:
    reasons = []
    qk, v = setting.head_dim_qk, setting.head_dim_v
    if requirements.equal_head_dims and qk != v:
        reasons.append(f"it needs one head_dim for q, k and v, and the model has {qk} for q, k and {v} for v")
    if requirements.max_head_dim is not None and max(qk, v) > requirements.max_head_dim:
        reasons.append(f"it takes head_dim up to {requirements.max_head_dim}, and the model has {max(qk, v)}")
    divisor = requirements.head_dim_multiple.get(setting.dtype)
    if setting.device_type == "cuda" and divisor and (qk % divisor or v % divisor):
        reasons.append(f"it needs head_dim to be a multiple of {divisor} in {dtype_name(setting.dtype)}, got {qk}, {v}")
    return reasons


def _grad_reasons(requirements: Requirements, setting: Setting) -> list[str]:
    if not setting.needs_grad or setting.device_type in requirements.grad_devices:
        return []
    return [f"it has no backward pass on {setting.device_type.upper()}"]
