"""Peak memory of this process since the last reset: torch's device counters, and the resident set."""

from __future__ import annotations

import re
from pathlib import Path

import torch

_MIB = 2**20


class ProcessPeaks:
    """Reads and resets peaks. Device peaks are None without CUDA; the resident set's where Linux's /proc is missing."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def reset(self) -> None:
        """Start a new window: peaks restart from what is held now."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        try:
            Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, see proc(5)
        except OSError:
            return

    def read(self) -> dict[str, float | None]:
        """Peaks since the last reset, in MiB: device allocated and reserved (torch), resident set of the process."""
        allocated = reserved = None
        if self._device.type == "cuda":
            allocated = torch.cuda.max_memory_allocated(self._device) / _MIB
            reserved = torch.cuda.max_memory_reserved(self._device) / _MIB
        return {"peak_allocated_mib": allocated, "peak_reserved_mib": reserved, "peak_rss_mib": _peak_rss_mib()}


def _peak_rss_mib() -> float | None:
    """VmHWM in MiB; None where it can't be reset, since a peak of another window would mislead."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, flags=re.MULTILINE)
    return int(found.group(1)) / 1024 if found else None
