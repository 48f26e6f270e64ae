"""What NVML says around a case, from a probe that says it."""

from __future__ import annotations

import torch

from sdpa_exp.tasks.bench.machine import gpu_state, probe_of


class Said:
    """A probe with planted values."""

    def __init__(self, mask: float | None) -> None:
        self._mask = mask

    def read(self) -> dict[str, float | None]:
        return {"gpu_sm_clock_mhz": 1980.0, "gpu_throttle_reasons": self._mask}

    def unavailable(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        return


def test_a_power_cap_is_named_and_an_idle_gpu_is_not() -> None:
    capped = gpu_state(Said(0x004 | 0x001))
    assert capped is not None
    assert capped["throttled"] == ["sw_power_cap"]
    assert capped["gpu_sm_clock_mhz"] == 1980.0
    assert capped["gpu_temperature_c"] is None


def test_reasons_that_nvml_does_not_give_are_none_and_not_empty() -> None:
    unknown = gpu_state(Said(None))
    assert unknown is not None
    assert unknown["throttled"] is None


def test_there_is_nothing_to_read_without_a_gpu() -> None:
    assert probe_of(torch.device("cpu")) is None
    assert gpu_state(None) is None
