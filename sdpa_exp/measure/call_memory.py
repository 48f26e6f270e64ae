"""Peak memory of one call, above what was held before it: the CUDA allocator's counters, or the profiler on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from sdpa_exp.measure.clock import synchronize
from sdpa_exp.measure.tensor_peak import Peak, peak_meter

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
        return _on_cpu(call, device)
    return PeakMemory(
        allocated_mib=None, reserved_mib=None, source=None, reason=f"no peak counter for {device.type.upper()}"
    )


def _on_cuda(call: Callable[[], object], device: torch.device) -> PeakMemory:
    synchronize(device)
    torch.cuda.empty_cache()
    held, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
    peak = _peak(call, device)
    return PeakMemory(
        allocated_mib=(peak.allocated - held) / MIB,
        reserved_mib=((peak.reserved or 0) - reserved) / MIB,
        source=CUDA_SOURCE,
    )


def _on_cpu(call: Callable[[], object], device: torch.device) -> PeakMemory:
    peak = _peak(call, device)
    if not peak.allocated:
        reason = "the profiler saw no allocation"
        return PeakMemory(allocated_mib=None, reserved_mib=None, source=None, reason=reason)
    return PeakMemory(allocated_mib=peak.allocated / MIB, reserved_mib=None, source=CPU_SOURCE, reason=_NO_RESERVED)


def _peak(call: Callable[[], object], device: torch.device) -> Peak:
    meter = peak_meter(device)
    meter.start(held=0)
    call()
    return meter.stop()
