"""Peak memory of one call, above what was held before it: the CUDA allocator's counters, or the profiler on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile

from sdpa_exp.measure.clock import synchronize

MIB = 2**20
CPU_SOURCE = "torch.profiler: allocations and frees of PyTorch's CPU allocator, summed in order"
CUDA_SOURCE = "torch.cuda.max_memory_allocated and _reserved, reset before the call, less what was held before"
_NO_RESERVED = "PyTorch's CPU allocator reserves nothing"


@dataclass(frozen=True, kw_only=True)
class PeakMemory:
    """MiB above what was held before the call; None where it can't be measured, with `reason`."""

    allocated_mib: float | None
    reserved_mib: float | None
    source: str | None
    reason: str | None = None


def peak_of_call(call: Callable[[], object], device: torch.device) -> PeakMemory:
    """Run the call once and measure its peak."""
    if device.type == "cuda":
        return _on_cuda(call, device)
    if device.type == "cpu":
        return _on_cpu(call)
    return PeakMemory(
        allocated_mib=None, reserved_mib=None, source=None, reason=f"no peak counter for {device.type.upper()}"
    )


def _on_cuda(call: Callable[[], object], device: torch.device) -> PeakMemory:
    synchronize(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    held, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
    call()
    synchronize(device)
    return PeakMemory(
        allocated_mib=(torch.cuda.max_memory_allocated(device) - held) / MIB,
        reserved_mib=(torch.cuda.max_memory_reserved(device) - reserved) / MIB,
        source=CUDA_SOURCE,
    )


def _on_cpu(call: Callable[[], object]) -> PeakMemory:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    results = profiler.profiler.kineto_results if profiler.profiler is not None else None
    changes = [event for event in results.events() if event.name() == "[memory]"] if results is not None else []
    held = peak = 0
    for event in sorted(changes, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    if not changes:
        reason = "the profiler saw no allocation"
        return PeakMemory(allocated_mib=None, reserved_mib=None, source=None, reason=reason)
    return PeakMemory(allocated_mib=peak / MIB, reserved_mib=None, source=CPU_SOURCE, reason=_NO_RESERVED)
