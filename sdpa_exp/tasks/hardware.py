"""Resolves what the hardware group left open, from the machine found; once per sweep, then frozen and recorded."""

from __future__ import annotations

import dataclasses
import os

import torch

from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import ConfigError

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def resolve_hardware(asked: HardwareConfig) -> HardwareConfig:
    """Fill every `None` and `device=auto`; what was set stays.

    Precision: bf16 from compute capability 8.0 on, fp16 on older GPUs, fp32 elsewhere: the fastest that the device
    computes natively, and the one that fused kernels take.

    Raises:
        ConfigError: the device asked for isn't there, or doesn't have the precision asked for.
    """
    device = find_device(asked.device)
    is_cuda = device.type == "cuda"
    defaults = {
        "batch": 16,
        "workers": min(8, os.cpu_count() or 1) if is_cuda else 0,
        "cache": "none",
        "precision": _best_precision(device),
        "tf32": is_cuda and torch.cuda.get_device_capability(device) >= (8, 0),
        "cudnn_benchmark": False,
        "channels_last": is_cuda and os.name != "nt",
        "num_threads": min(8, max(1, (os.cpu_count() or 1) - 1)),  # as Ultralytics: a core stays free for the rest
    }
    filled = {key: value for key, value in defaults.items() if getattr(asked, key) is None}
    resolved = dataclasses.replace(asked, device=str(device), **filled)  # type: ignore[arg-type]
    _check(resolved, device)
    return resolved


def find_device(name: str) -> torch.device:
    """The torch device for `hardware.device`: auto takes the first CUDA device, then the CPU.

    Raises:
        ConfigError: CUDA or MPS was asked for and is not available, or has no such index.
    """
    if name == "auto":
        return torch.device("cuda:0") if torch.cuda.is_available() else torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count()
        index = device.index or 0
        if index >= count:
            raise ConfigError(
                f"hardware.device={name} is not there: PyTorch {torch.__version__} sees {count} CUDA device(s). "
                "Use hardware=auto or hardware=cpu, or check the driver with nvidia-smi."
            )
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("hardware.device=mps is not available on this machine; use hardware=cpu or hardware=auto.")
    return device


def dtype_of(precision: str | None) -> torch.dtype:
    """The dtype that q, k and v have under a precision."""
    return DTYPES[precision or "fp32"]


def capability_of(device: torch.device) -> tuple[int, int] | None:
    """CUDA compute capability, None elsewhere."""
    return torch.cuda.get_device_capability(device) if device.type == "cuda" else None


def _best_precision(device: torch.device) -> str:
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"


def _check(hardware: HardwareConfig, device: torch.device) -> None:
    if hardware.precision == "fp16" and device.type == "cpu":
        raise ConfigError(
            "hardware.precision=fp16 can't train on a CPU (no gradient scaling there): use hardware.precision=fp32."
        )
    if hardware.precision == "bf16" and device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
        major, minor = torch.cuda.get_device_capability(device)
        raise ConfigError(
            f"hardware.precision=bf16 is only emulated on this GPU (compute capability {major}.{minor}; native from "
            "8.0 on): use hardware.precision=fp16."
        )


def set_backends(hardware: HardwareConfig) -> None:
    """Process-wide switches of the hardware group. Ultralytics sets determinism itself, from train.deterministic."""
    torch.backends.cuda.matmul.allow_tf32 = bool(hardware.tf32)
    torch.backends.cudnn.allow_tf32 = bool(hardware.tf32)
    torch.backends.cudnn.benchmark = bool(hardware.cudnn_benchmark)
