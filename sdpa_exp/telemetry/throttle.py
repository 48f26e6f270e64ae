"""Why a GPU lowered its clocks: NVML's bit mask in words.

Bits: nvml.h, nvmlClocksEventReasons. A test compares them with the installed pynvml.
"""

from __future__ import annotations

REASONS: dict[int, str] = {
    0x001: "gpu_idle",
    0x002: "applications_clocks_setting",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown",
    0x080: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}

# Power, heat or a fault held the clocks down. Idling and clocks that someone set are not counted.
THROTTLING = frozenset(
    ("sw_power_cap", "hw_slowdown", "sw_thermal_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown")
)


def decode(mask: int) -> list[str]:
    """The names of the set bits; a bit that is not known here is named by its value."""
    names = [name for bit, name in REASONS.items() if mask & bit]
    rest = mask & ~sum(REASONS)
    return [*names, f"unknown_{rest:#x}"] if rest else names
