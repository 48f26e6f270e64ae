"""A machine on which nothing is wrong; tests describe others as differences from it."""

from __future__ import annotations

from typing import Any

from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.tasks.doctor.machine import ImportTry, Installed, Machine, Toolkit

TORCH = {
    "version": "2.15.0+cu128",
    "cuda": "12.8",
    "is_available": True,
    "why_not": None,
    "architectures": ["sm_75", "sm_80", "sm_90"],
    "gpus": [{"name": "NVIDIA A100", "capability": [8, 0], "memory_gib": 40.0}],
    "cudnn": 91900,
}
NO_CUDA = {**TORCH, "is_available": False, "gpus": [], "architectures": [], "cudnn": None}
FIT: dict[str, Any] = {
    "num_cores": 4,
    "deterministic": True,
    "device": "cuda:0",
    "capability": [8, 0],
    "auto": {"precision": "bf16", "tf32": True, "allocator": "expandable_segments:True"},
    "num_images": 20,
    "why": "a step takes about 242 MiB an image",
}
FIT_CPU: dict[str, Any] = {
    **FIT,
    "device": "cpu",
    "capability": None,
    "auto": {"precision": "fp32", "tf32": False, "allocator": None},
}
LAYER = "/venv/lib/python3.11/site-packages"


def installed(version: str = "2.15.0", location: str = LAYER, installer: str = "pip") -> Installed:
    return Installed(version=version, location=location, installer=installer)


HEALTHY = Machine(
    system="Linux",
    release="6.1.0-amd64",
    libc=("glibc", "2.36"),
    python="3.11.7",
    environment={},
    conda_prefix=None,
    imports={name: ImportTry(version="1.0") for name in ("numpy", "cv2", "torch", "torchvision", "ultralytics")},
    installed={"torch": (installed(),), "numpy": (installed("2.4.0"),), "flash-attn": (installed("2.8.3"),)},
    torch=TORCH,
    toolkit=Toolkit(
        nvcc="/usr/local/cuda/bin/nvcc",
        nvcc_version="12.8",
        home="/usr/local/cuda",
        home_has_nvcc=True,
        home_has_headers=True,
    ),
    driver="570.86.15",
    has_nvidia_gpu=True,
    wsl_libcuda=False,
    unwritable={},
    disk_free_gib=100.0,
    memory_free_gib=32.0,
    store=None,
    index_error=None,
    hardware=HardwareConfig(name="auto"),
    fit=FIT,
)
