"""What hardware=auto left open is filled from the machine; what can't be had is refused by name."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import ConfigError
from sdpa_exp.tasks.hardware import resolve_hardware

CPU = HardwareConfig(name="cpu", device="cpu")


def test_everything_open_is_filled_and_what_was_set_stays() -> None:
    resolved = resolve_hardware(dataclasses.replace(CPU, batch=3))
    assert resolved.batch == 3
    assert resolved.precision == "fp32"
    open_keys = [f.name for f in dataclasses.fields(resolved) if getattr(resolved, f.name) is None]
    assert open_keys == ["allocator", "price_per_gpu_hour", "price_per_kwh", "currency"]  # no machine knows prices


def test_resolving_twice_changes_nothing() -> None:
    resolved = resolve_hardware(HardwareConfig(name="auto"))
    assert resolve_hardware(resolved) == resolved


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_cuda_device_that_is_not_there_is_refused_with_the_next_step() -> None:
    with pytest.raises(ConfigError, match=r"sees 0 CUDA device\(s\)\. Use hardware=auto or hardware=cpu"):
        resolve_hardware(HardwareConfig(name="a100", device="cuda"))


def test_fp16_training_on_a_cpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="precision=fp16 can't train on a CPU"):
        resolve_hardware(dataclasses.replace(CPU, precision="fp16"))
