"""Can a backend run here? Requirements are data; the answer is a list of reasons why not, empty when it can.

Sources: aten/src/ATen/native/transformers/cuda/sdp_utils.cpp and .../transformers/sdp_utils_cpp.cpp (PyTorch 2.11 to
2.15), and calls of `torch._fused_sdp_choice`, which gives its reasons in warnings.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Literal

import torch

from sdpa_exp.attention.precision import dtype_name

FLOATS = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a backend is asked to do: one kind of call.

    Attributes:
        device_type: cpu, cuda or mps.
        capability: CUDA compute capability, None elsewhere.
        dtype: of q, k and v when they reach the backend (under autocast: the autocast dtype).
        head_dim_qk, head_dim_v: last dimension of q and k, and of v.
        num_heads, num_tokens: H and N.
        needs_grad: whether a backward pass follows.
        deterministic: whether strict determinism is asked for.
        compiled: whether the model goes through torch.compile.
        purpose: a training, or a benchmark that also wants floors.
    """

    device_type: str
    capability: tuple[int, int] | None
    dtype: torch.dtype
    head_dim_qk: int
    head_dim_v: int
    num_heads: int = 2
    num_tokens: int = 400
    needs_grad: bool = True
    deterministic: bool = False
    compiled: bool = False
    purpose: Literal["train", "benchmark"] = "train"


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that a backend is made of.

    Attributes:
        name: of the distribution, as pip knows it.
        min_version: lowest version that works.
        install: what to type.
    """

    name: str
    min_version: str
    install: str


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """When a backend can run. `dtypes` maps a device type to what it takes there; an absent device is unsupported.

    Attributes:
        min_capability: lowest CUDA compute capability.
        min_capability_bf16: the same, for bf16.
        max_capability_major: highest major number of the CUDA compute capability, for code of one generation.
        max_head_dim: per head, None for no limit.
        head_dim_multiple: dtype -> divisor of head_dim on CUDA.
        equal_head_dims: q, k and v need one head_dim (padding.py lifts it).
        grad_devices: device types with a backward pass.
        packages: what must be installed besides torch.
        compilers: device type -> programs of which one must be found, for code generated at run time.
        backward_deterministic: gradients are the same, bit by bit, in every run.
        compiles: a claim that torch.compile traces it without a graph break; a test counts.
        benchmark_only: it computes no attention, and is refused for training.
    """

    dtypes: Mapping[str, frozenset[torch.dtype]]
    min_capability: tuple[int, int] | None = None
    min_capability_bf16: tuple[int, int] | None = None
    max_capability_major: int | None = None
    max_head_dim: int | None = None
    head_dim_multiple: Mapping[torch.dtype, int] = field(default_factory=dict)
    equal_head_dims: bool = False
    grad_devices: frozenset[str] = frozenset({"cpu", "cuda", "mps"})
    packages: tuple[Package, ...] = ()
    compilers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    backward_deterministic: bool = True
    compiles: bool = False
    benchmark_only: bool = False


ANYWHERE = Requirements(dtypes={"cpu": FLOATS, "cuda": FLOATS, "mps": FLOATS - {torch.float64}}, compiles=True)


def reasons_against(requirements: Requirements, setting: Setting) -> list[str]:
    """Every reason why a backend with these requirements can't run in this setting; an empty list means it can."""
    device = setting.device_type
    if device not in requirements.dtypes:
        return [f"it has no {device.upper()} kernel (it runs on {', '.join(d.upper() for d in requirements.dtypes)})"]
    checks = (
        _package_reasons,
        _compiler_reasons,
        _dtype_reasons,
        _capability_reasons,
        _head_dim_reasons,
        _grad_reasons,
        _use_reasons,
    )
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
    lowest, highest = requirements.min_capability, requirements.max_capability_major
    is_for_bf16 = setting.dtype is torch.bfloat16 and requirements.min_capability_bf16 is not None
    if is_for_bf16:
        lowest = max(requirements.min_capability_bf16 or (0, 0), lowest or (0, 0))
    is_too_new = highest is not None and setting.capability[0] > highest
    if not is_too_new and (lowest is None or setting.capability >= lowest):
        return []
    got, want = (f"{major}.{minor}" for major, minor in (setting.capability, lowest or (0, 0)))
    until = f" to {highest}.x" if highest is not None else ""
    return [f"it needs compute capability {want}{until}{' for bf16' * is_for_bf16}, and this GPU has {got}"]


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


def installed_version(package: str) -> str | None:
    """The version of an installed distribution; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _package_reasons(requirements: Requirements, setting: Setting) -> list[str]:
    reasons = []
    for package in requirements.packages:
        found = installed_version(package.name)
        if found is None:
            reasons.append(
                f"it needs the {package.name} package from {package.min_version} on, and it is not installed: "
                f"{package.install}"
            )
        elif _release(found) < _release(package.min_version):
            reasons.append(
                f"it needs the {package.name} package from {package.min_version} on, and {found} is installed: "
                f"{package.install}"
            )
    return reasons


def _compiler_reasons(requirements: Requirements, setting: Setting) -> list[str]:
    programs = requirements.compilers.get(setting.device_type, ())
    if not programs or os.environ.get("CXX") or any(shutil.which(program) for program in programs):
        return []
    return [f"it generates code on {setting.device_type.upper()}, and none of {', '.join(programs)} is on the path"]


def _use_reasons(requirements: Requirements, setting: Setting) -> list[str]:
    reasons = []
    if setting.deterministic and setting.needs_grad and not requirements.backward_deterministic:
        reasons.append("its backward pass is not known to be deterministic, and determinism=strict was asked for")
    if setting.compiled and not requirements.compiles:
        reasons.append("it does not claim to work with torch.compile, and train.compile is on")
    if requirements.benchmark_only and setting.purpose == "train":
        reasons.append("it computes no attention: it is a floor for benchmarks and can't be trained with")
    return reasons


def _release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: 2.8.3.post1 gives (2, 8, 3)."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()
