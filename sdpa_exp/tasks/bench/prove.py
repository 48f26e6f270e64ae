"""What ran, and what it took: kernels, peak memory and energy of every arm, outside anything timed.

This comes after all timing, because the profiler can slow a process for good.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import torch

from sdpa_exp.attention.backend import Kernel
from sdpa_exp.evidence.kernel_names import LABELS, OWN_CODE, kernel_mismatch, same_kernels
from sdpa_exp.evidence.profile import Sightings, profile_layers
from sdpa_exp.measure.call_memory import peak_of_call
from sdpa_exp.measure.clock import synchronize
from sdpa_exp.tasks.bench.arms import FLOOR
from sdpa_exp.tasks.bench.case import Arms, Case, Entry, describe_failure
from sdpa_exp.telemetry.probe import Probe

NO_COUNTER = "no energy counter is read on this device: task=bench reads NVML's, and only on CUDA"
ENERGY_S = 1.0
"""The counter moves about every 100 ms, so a window has to be much longer."""


def prove_case(case: Case, row: dict[str, Any], arms: Arms, *, device: torch.device, probe: Probe | None) -> None:
    """Fill in kernels, memory and energy of a row's arms; an arm that ran something else loses its figures.

    Args:
        case: as it was timed.
        row: of `measure_case`; changed in place.
        arms: label -> backend, those that were asked for.
        device: where everything runs.
        probe: reads the GPU's energy counter; None where there is none.
    """
    try:
        entries = case.build({label: name for label, name in arms.items() if label in row["arms"]})
    except (RuntimeError, MemoryError) as error:
        withdraw_all(row, f"timed, but not proven: {describe_failure(error)}")
        entries = {}
    for label, entry in entries.items():
        entry.prepare()
        try:
            forward, backward = profile_layers(entry.watched, entry.layers, device)
            memory = peak_of_call(entry.call, device)
        except (RuntimeError, MemoryError) as error:
            _withdraw(row, label, f"timed, but not proven: {describe_failure(error)}")
            continue
        wrong = _mismatch(forward, backward, entry.allowed)
        if wrong is not None:
            _withdraw(row, label, wrong)
            continue
        energy, reason = _energy(entry, row, device, probe)
        row["arms"][label] |= {
            "kernels": {
                direction: _labels(seen) or ([f"{OWN_CODE} ({label})"] if None in entry.allowed.values() else [])
                for direction, seen in (("forward", forward), ("backward", backward))
            },
            "memory": asdict(memory),
            "energy_j": energy,
            "energy_reason": reason,
        }
    row["same_kernel"] = same_kernels({label: _comparable(arm) for label, arm in row["arms"].items() if label != FLOOR})


def _comparable(arm: Mapping[str, Any]) -> str | None:
    """The kernels of an arm; explicit softmax is left out, since stock and eager differ in layout."""
    kernels = arm.get("kernels")
    return str(kernels) if kernels and LABELS["softmax"] not in kernels["forward"] else None


def withdraw_all(row: dict[str, Any], reason: str) -> None:
    """Take the figures of all arms back."""
    for label in list(row["arms"]):
        _withdraw(row, label, reason)


def _withdraw(row: dict[str, Any], label: str, reason: str) -> None:
    """Take an arm's figures back; without its baseline a row has no ratios."""
    del row["arms"][label], row["seconds"][label]
    row["left_out"][label] = reason
    if row["baseline"] == label:
        row["baseline"], row["baseline_reason"] = None, reason
        for arm in row["arms"].values():
            arm["speedup"] = None


def _mismatch(forward: Sightings, backward: Sightings, allowed: Mapping[str, frozenset[Kernel] | None]) -> str | None:
    for layer, kernels in allowed.items():
        ran = {kernel for seen in (forward, backward) if layer in seen for kernel in seen[layer].kernels}
        wrong = kernel_mismatch(ran, kernels)
        if wrong is not None:
            return f"{layer} {wrong}: its figures are withdrawn"
    return None


def _labels(seen: Sightings) -> list[str]:
    return sorted({LABELS[kernel] for found in seen.values() for kernel in found.kernels})


def _energy(
    entry: Entry, row: Mapping[str, Any], device: torch.device, probe: Probe | None
) -> tuple[float | None, str | None]:
    """Joules of one image (at the op level: of one call), idle power included, over a block of this arm alone."""
    if probe is None:
        return None, NO_COUNTER
    before, start_s = probe.read()["gpu_energy_j"], time.perf_counter()
    num_calls = _repeat(entry.call, device, until_s=start_s + ENERGY_S)
    after = probe.read()["gpu_energy_j"]
    if before is None or after is None:
        return None, probe.unavailable().get("gpu_energy_j", "NVML gave no energy")
    num_items = row["num_items"] if row["items"] == "images" else 1
    return (after - before) / (num_calls * num_items), None


def _repeat(call: Callable[[], object], device: torch.device, *, until_s: float) -> int:
    num_calls = 0
    while time.perf_counter() < until_s:
        call()
        synchronize(device)
        num_calls += 1
    return num_calls
