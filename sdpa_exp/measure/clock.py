"""Seconds of a call on a device: CUDA events on CUDA, a monotonic clock elsewhere, synchronised at both edges."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class DeviceClock:
    """Times calls on one device.

    On CUDA two events on the current stream enclose the calls, so that what the device waits for is counted and what
    the host does afterwards is not.
    """

    device: torch.device

    @property
    def source(self) -> str:
        """What the times come from, for the record."""
        return "CUDA events" if self.device.type == "cuda" else "time.perf_counter"

    def seconds(self, call: Callable[[], object], *, num_calls: int = 1) -> float:
        """Seconds of one call, as the mean of `num_calls` in a row."""
        synchronize(self.device)
        if self.device.type == "cuda":
            return self._by_events(call, num_calls)
        start_s = time.perf_counter()
        for _ in range(num_calls):
            call()
        synchronize(self.device)
        return (time.perf_counter() - start_s) / num_calls

    def _by_events(self, call: Callable[[], object], num_calls: int) -> float:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        stream = torch.cuda.current_stream(self.device)
        start.record(stream)
        for _ in range(num_calls):
            call()
        end.record(stream)
        synchronize(self.device)
        return float(start.elapsed_time(end)) / 1e3 / num_calls


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
