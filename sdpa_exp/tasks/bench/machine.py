"""What the figures were measured on, and by which rules; and the state of the GPU around a case."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import torch

from sdpa_exp.config.plan import Plan
from sdpa_exp.measure.drift import MAX_DRIFT
from sdpa_exp.measure.interval import LEVEL, MIN_ROUNDS
from sdpa_exp.measure.warmup import RULE
from sdpa_exp.tasks.bench import Bench
from sdpa_exp.telemetry.probe import Probe
from sdpa_exp.telemetry.run_telemetry import gpu_probe
from sdpa_exp.telemetry.throttle import THROTTLING, decode
from sdpa_exp.text_report import counted


def machine_of(environment: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """What the figures were measured on, from the run's environment."""
    count = torch.get_num_threads()
    is_cuda = device.type == "cuda"
    return {
        "device": environment.get("gpu") if is_cuda else f"{environment.get('cpu')}, {counted(count, 'thread')}",
        "num_threads": count,
        "num_cpus": environment.get("num_cpus"),
        "capability": environment.get("gpu_capability"),
        "driver": environment.get("driver"),
        "cuda": environment.get("cuda") if is_cuda else None,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "python": environment.get("python"),
        "versions": environment.get("versions"),
        "git": environment.get("git"),
        "load_average_1min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def settings_of(plan: Plan) -> dict[str, Any]:
    """What was asked for."""
    return {
        **dataclasses.asdict(Bench.of(plan)),
        "model": plan.model.name,
        "weights": plan.model.weights,
        "baseline": plan.baseline,
        "hardware": dataclasses.asdict(plan.hardware),
        "determinism": plan.determinism,
        "seed": plan.seed,
    }


def rules_of(clock: str, reference: str) -> dict[str, str]:
    """How it was measured, in words."""
    return {
        "clock": clock,
        "warm_up": RULE,
        "rounds": "random order, then its reverse (A B B A); ratios pair samples of one round",
        "interval": f"{LEVEL:.0%} percentile bootstrap of the median ratio over rounds, from {MIN_ROUNDS} rounds on",
        "drift": f"{reference}, before and after a case; flagged beyond {MAX_DRIFT:.0%}",
        "throttling": "clocks, temperature and throttle reasons of a GPU before and after a case, by NVML",
    }


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
