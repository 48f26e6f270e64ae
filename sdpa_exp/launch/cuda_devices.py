"""The GPUs that CUDA's driver shows to this process: without torch, in milliseconds, and without touching one."""

from __future__ import annotations

import ctypes
import sys
import uuid
from dataclasses import dataclass
from importlib.metadata import version

_SUCCESS = 0  # CUDA's own word for no error


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU: its name, and the UUID by which CUDA_VISIBLE_DEVICES knows it."""

    name: str
    uuid: str


def visible_gpus() -> list[Gpu] | None:
    """In CUDA's own order, with CUDA_VISIBLE_DEVICES considered.

    None where the driver can't be asked: PyTorch for AMD calls its devices cuda, too, and has no such driver.
    """
    if sys.platform != "linux" or "rocm" in version("torch"):
        return None
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int(0)
    if driver.cuInit(0) != _SUCCESS or driver.cuDeviceGetCount(ctypes.byref(count)) != _SUCCESS:
        return []
    return [_gpu(driver, place) for place in range(count.value)]


def _gpu(driver: ctypes.CDLL, place: int) -> Gpu:
    """A part of a GPU is `MIG-...`, of which CUDA shows no more than one to a process."""
    device, raw, name = ctypes.c_int(0), (ctypes.c_ubyte * 16)(), ctypes.create_string_buffer(128)
    driver.cuDeviceGet(ctypes.byref(device), place)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceGetUuid_v2(ctypes.byref(raw), device)
    words = name.value.decode(errors="replace")
    return Gpu(name=words, uuid=f"{'MIG' if ' MIG ' in words else 'GPU'}-{uuid.UUID(bytes=bytes(raw))}")
