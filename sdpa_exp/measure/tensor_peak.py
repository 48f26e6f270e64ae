"""The largest sum of all tensors at any moment of what is watched, and the phase in which it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from sdpa_exp.measure.clock import synchronize

_MARK = "sdpa_exp.memory/"
_ALLOCATION = "[memory]"


@dataclass(frozen=True, kw_only=True)
class Peak:
    """In bytes. `reserved` is what torch's allocator had taken from the device at most; None on a CPU."""

    allocated: int
    phase: str
    reserved: int | None


class PeakMeter(Protocol):
    """Follows the memory of one step, or of one call."""

    def start(self, *, held: int) -> None:
        """Begin, with `held` bytes in tensors that outlast the step; the phase is `forward`."""
        ...

    def enter(self, phase: str) -> None:
        """Another phase begins."""
        ...

    def stop(self) -> Peak:
        """The peak of all phases since the start."""
        ...


class CpuPeaks:
    """The running sum of what the profiler sees allocated and freed, on top of what was held before.

    Frees of what was allocated before the start are not seen, and not missed: what was held then, stays.
    """

    def start(self, *, held: int) -> None:
        """Start a profiler of memory."""
        self._held = held
        self._profiler: Any = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
        self._profiler.start()
        self.enter("forward")

    def enter(self, phase: str) -> None:
        """Leave a mark among the profiler's events."""
        with record_function(_MARK + phase):
            pass

    def stop(self) -> Peak:
        """Sum up allocations and frees in their order."""
        self._profiler.stop()
        events = [
            (event.start_ns(), event)
            for event in self._profiler.profiler.kineto_results.events()
            if event.name().startswith(_MARK) or (event.name() == _ALLOCATION and event.device_type().name == "CPU")
        ]
        now = highest = 0
        phase = phase_of_highest = "forward"
        for _, event in sorted(events, key=lambda pair: pair[0]):
            if event.name() != _ALLOCATION:
                phase = event.name().removeprefix(_MARK)
                continue
            now += event.nbytes()
            if now > highest:
                highest, phase_of_highest = now, phase
        return Peak(allocated=self._held + highest, phase=phase_of_highest, reserved=None)


class CudaPeaks:
    """torch's own counters, read and reset at every border; they hold all that torch has on the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def start(self, *, held: int) -> None:
        """Reset the counters; what is held is in them."""
        self._found: list[Peak] = []
        self._phase = "forward"
        torch.cuda.reset_peak_memory_stats(self._device)

    def enter(self, phase: str) -> None:
        """Read, reset."""
        synchronize(self._device)
        peak = Peak(
            allocated=torch.cuda.max_memory_allocated(self._device),
            phase=self._phase,
            reserved=torch.cuda.max_memory_reserved(self._device),
        )
        self._found.append(peak)
        torch.cuda.reset_peak_memory_stats(self._device)
        self._phase = phase

    def stop(self) -> Peak:
        """The highest of all phases; reserved memory may have its peak in another."""
        self.enter("")
        highest = max(self._found, key=lambda peak: peak.allocated)
        reserved = max(peak.reserved or 0 for peak in self._found)
        return Peak(allocated=highest.allocated, phase=highest.phase, reserved=reserved)


def peak_meter(device: torch.device) -> PeakMeter:
    """The meter for this device."""
    return CudaPeaks(device) if device.type == "cuda" else CpuPeaks()
