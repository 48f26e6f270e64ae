"""The GPU around a case: clocks, temperature, power and throttling, read at its edges; its energy counter later."""

from __future__ import annotations

import os
from typing import Any

import torch

from sdpa_exp.telemetry.probe import Probe
from sdpa_exp.telemetry.run_telemetry import gpu_probe
from sdpa_exp.telemetry.throttle import THROTTLING, decode

_READ = ("gpu_sm_clock_mhz", "gpu_memory_clock_mhz", "gpu_temperature_c", "gpu_power_w")


def probe_of(device: torch.device) -> Probe | None:
    """NVML for this device; None elsewhere than on CUDA."""
    if device.type != "cuda":
        return None
    return gpu_probe(str(torch.cuda.get_device_properties(device).uuid), os.getpid())


def gpu_state(probe: Probe | None) -> dict[str, Any] | None:
    """What NVML says now; None without it. `throttled` names reasons that make a GPU slower than it could be."""
    if probe is None:
        return None
    values = probe.read()
    mask = values.get("gpu_throttle_reasons")
    throttled = None if mask is None else [name for name in decode(int(mask)) if name in THROTTLING]
    return {**{name: values.get(name) for name in _READ}, "throttled": throttled}
