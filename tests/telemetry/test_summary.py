"""Figures from a hand-made trace, checked against sums done by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdpa_exp.telemetry.energy import energy_of
from sdpa_exp.telemetry.summary import Phase, summarize
from sdpa_exp.telemetry.throttle import decode

TRACE = Path(__file__).parent / "traces" / "handmade_gpu_trace.jsonl"
T0 = 1_790_000_000.0


def trace() -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in TRACE.read_text(encoding="utf-8").splitlines()]
    assert "HAND-MADE" in lines[0]["comment"]
    return lines[1:]


def phase(start_s: float, end_s: float, name: str = "train") -> Phase:
    return Phase(name=name, start_unix_s=T0 + start_s, end_unix_s=T0 + end_s)


def test_a_phase_has_its_own_means_peaks_and_seconds_throttled() -> None:
    train = summarize(trace(), [phase(0, 4, "setup"), phase(10, 30)])["phases"]["train"]
    assert train["wall_s"] == 20
    assert train["num_samples"] == 21
    assert train["mean_cpu_percent"] == 180
    assert train["peak_rss_mib"] == 1100
    assert train["mean_gpu_utilization_percent"] == 95
    assert train["peak_gpu_power_w"] == 108
    assert train["max_gpu_temperature_c"] == 75
    assert train["min_gpu_sm_clock_mhz"] == 1500
    assert train["throttled_s"] == 6
    assert train["throttle_reasons_s"] == {"sw_power_cap": 6, "sw_thermal_slowdown": 3}
    assert train["peak_gpu_process_memory_mib"] is None
    assert "container" in train["unmeasured"]["peak_gpu_process_memory_mib"]


def test_energy_is_the_counters_difference_interpolated_at_the_borders() -> None:
    samples = trace()
    train = summarize(samples, [phase(10.5, 30)])["phases"]["train"]
    at = {s["time_unix_s"] - T0: s["gpu_energy_j"] for s in samples}
    assert train["energy_source"] == "counter"
    assert train["energy_j"] == pytest.approx(at[30] - (at[10] + at[11]) / 2)


def test_without_a_counter_energy_is_integrated_from_power_and_says_so() -> None:
    samples = [{**s, "gpu_energy_j": None} for s in trace()]
    with_counter = summarize(trace(), [phase(10, 30)])["phases"]["train"]
    train = summarize(samples, [phase(10, 30)])["phases"]["train"]
    assert train["energy_source"] == "polling"
    assert train["energy_j"] == pytest.approx(with_counter["energy_j"])  # the trace's counter was made that way
    assert "misses short peaks" in train["unmeasured"]["energy_j"]


def test_stretches_of_one_name_are_summed_up() -> None:
    phases = summarize(trace(), [phase(6, 10), phase(10, 12, "validation"), phase(12, 20)])["phases"]
    assert phases["train"]["wall_s"] == 12
    assert phases["train"]["energy_j"] + phases["validation"]["energy_j"] == pytest.approx(
        summarize(trace(), [phase(6, 20)])["phases"]["train"]["energy_j"]
    )


def test_nothing_measured_is_null_with_a_reason_and_never_zero() -> None:
    cpu_only = [{"time_unix_s": T0 + i, "mono_s": float(i), "cpu_percent": 50.0} for i in range(5)]
    train = summarize(cpu_only, [phase(0, 4)])["phases"]["train"]
    assert train["mean_cpu_percent"] == 50
    for name in ("mean_gpu_power_w", "energy_j", "throttled_s", "throttle_reasons_s", "energy_source"):
        assert train[name] is None
    assert train["unmeasured"]["peak_gpu_power_w"] == "not sampled"
    assert train["unmeasured"]["energy_j"] == "fewer than two samples of the GPU's energy or power"


def test_a_phase_between_two_samples_is_null_with_that_reason() -> None:
    short = summarize(trace(), [phase(10.2, 10.7)])["phases"]["train"]
    assert short["peak_gpu_power_w"] is None
    assert short["unmeasured"]["peak_gpu_power_w"] == "no sample fell into this phase"
    assert short["energy_j"] is not None  # the counter covers it


def test_a_phase_before_the_gpu_was_sampled_has_no_energy() -> None:
    late = [{**s, "gpu_energy_j": None, "gpu_power_w": None} if s["time_unix_s"] < T0 + 10 else s for s in trace()]
    phases = summarize(late, [phase(0, 20)])["phases"]
    assert phases["train"]["energy_j"] is None
    assert (
        phases["train"]["unmeasured"]["energy_j"] == "the GPU's energy or power was sampled during 10.0 s of the 20.0 s"
    )


def test_a_counter_that_goes_backwards_is_not_trusted() -> None:
    samples = trace()
    samples[20]["gpu_energy_j"] = 0.0
    _, source, reason = energy_of(samples, [(T0 + 10, T0 + 30)])
    assert source == "polling"
    assert reason is not None
    assert "went backwards" in reason


def test_no_samples_at_all_are_no_figures() -> None:
    summary = summarize([], [phase(0, 1)])
    assert summary["overall"] is None
    assert summary["phases"]["train"]["peak_rss_mib"] is None


def test_throttle_masks_are_decoded_and_unknown_bits_are_kept() -> None:
    assert decode(0) == []
    assert decode(0x24) == ["sw_power_cap", "sw_thermal_slowdown"]
    assert decode(0x1004) == ["sw_power_cap", "unknown_0x1000"]
