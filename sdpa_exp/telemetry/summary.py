"""Telemetry of a run in figures: per phase and overall, as a pure function of the samples.

What was not measured is None and has its reason in `unmeasured`; never 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sdpa_exp.telemetry.energy import (
    CPU_ENERGY,
    CPU_ENERGY_SOURCE,
    cpu_energy_of,
    energy_of,
    idle_baseline,
    of_gpus,
)
from sdpa_exp.telemetry.throttle import THROTTLING, decode

_MEANS_AND_PEAKS = (
    # result, metric, how
    ("mean_cpu_percent", "cpu_percent", "mean"),
    ("max_cpu_percent", "cpu_percent", "max"),
    ("mean_system_cpu_percent", "system_cpu_percent", "mean"),
    ("peak_rss_mib", "rss_mib", "max"),
    ("max_num_processes", "num_processes", "max"),
    ("peak_system_memory_used_mib", "system_memory_used_mib", "max"),
    ("peak_swap_used_mib", "swap_used_mib", "max"),
    ("min_disk_free_mib", "disk_free_mib", "min"),
    ("mean_gpu_utilization_percent", "gpu_utilization_percent", "mean"),
    ("peak_gpu_memory_used_mib", "gpu_memory_used_mib", "max"),
    ("peak_gpu_process_memory_mib", "gpu_process_memory_mib", "max"),
    ("peak_gpu_power_w", "gpu_power_w", "max"),
    ("max_gpu_temperature_c", "gpu_temperature_c", "max"),
    ("mean_gpu_sm_clock_mhz", "gpu_sm_clock_mhz", "mean"),
    ("min_gpu_sm_clock_mhz", "gpu_sm_clock_mhz", "min"),
    ("mean_gpu_memory_clock_mhz", "gpu_memory_clock_mhz", "mean"),
    ("min_gpu_memory_clock_mhz", "gpu_memory_clock_mhz", "min"),
)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A named stretch of a run, on the wall clock of the samples."""

    name: str
    start_unix_s: float
    end_unix_s: float


def summarize(
    samples: Sequence[dict[str, Any]],
    phases: Sequence[Phase],
    *,
    gpu_uuids: Sequence[str] = (),
    untouched_until_unix_s: float | None = None,
) -> dict[str, Any]:
    """Figures per phase and overall.

    Args:
        samples: lines of `telemetry.jsonl`, oldest first.
        phases: where the run's time went; they may overlap or leave gaps. A name that returns (train, validation,
            train, ...) is summed up over all its stretches.
        gpu_uuids: of the run's GPUs, to tell them from the machine's others.
        untouched_until_unix_s: when the run had not touched the GPU yet, for the idle baseline.

    Returns:
        `{"num_samples", "idle": idle_baseline's, "overall": figures, "phases": {name: figures}}`; figures are the names
        of this file, `wall_s`, `energy_j` and `mean_gpu_power_w` (it over `wall_s`) with `energy_source` (counter,
        polling or None), `net_energy_j` (less the idle power over `wall_s`), `cpu_energy_j` and `mean_cpu_power_w`
        with `cpu_energy_source` (rapl or None; whole CPU packages), `throttled_s`, `throttle_reasons_s` (reason ->
        seconds) and `unmeasured` (name -> reason).
    """
    samples = of_gpus(samples, gpu_uuids)
    reasons = _reasons(samples)
    idle = idle_baseline(samples, untouched_until_unix_s)
    by_name: dict[str, list[Phase]] = {}
    for phase in phases:
        by_name.setdefault(phase.name, []).append(phase)
    overall: dict[str, Any] | None = None
    if samples:
        whole = Phase(name="overall", start_unix_s=samples[0]["time_unix_s"], end_unix_s=samples[-1]["time_unix_s"])
        overall = _figures(samples, [whole], reasons, idle)
    return {
        "num_samples": len(samples),
        "idle": idle,
        "overall": overall,
        "phases": {name: _figures(samples, stretches, reasons, idle) for name, stretches in by_name.items()},
    }


def _reasons(samples: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The last reason that was given for each metric."""
    reasons: dict[str, str] = {}
    for sample in samples:
        reasons.update(sample.get("unavailable", {}))
    return reasons


def _figures(
    samples: Sequence[dict[str, Any]], stretches: Sequence[Phase], reasons: dict[str, str], idle: dict[str, Any]
) -> dict[str, Any]:
    inside = [s for s in samples if any(p.start_unix_s <= s["time_unix_s"] <= p.end_unix_s for p in stretches)]
    unmeasured: dict[str, str] = {}
    figures: dict[str, Any] = {
        "wall_s": sum(p.end_unix_s - p.start_unix_s for p in stretches),
        "num_samples": len(inside),
    }
    for result, metric, how in _MEANS_AND_PEAKS:
        values = [s[metric] for s in inside if s.get(metric) is not None]
        figures[result] = _reduce(values, how) if values else None
        if not values:
            unmeasured[result] = _why(metric, samples, inside, reasons)
    energy, why_no_energy = _energy(samples, [(p.start_unix_s, p.end_unix_s) for p in stretches], reasons, idle)
    figures.update(energy)
    unmeasured.update(why_no_energy)
    _add_throttling(figures, unmeasured, samples, inside, reasons)
    return {**figures, "unmeasured": unmeasured}


def _reduce(values: Sequence[float], how: str) -> float:
    if how == "mean":
        return sum(values) / len(values)
    return max(values) if how == "max" else min(values)


def _why(
    metric: str, samples: Sequence[dict[str, Any]], inside: Sequence[dict[str, Any]], reasons: dict[str, str]
) -> str:
    if any(s.get(metric) is not None for s in samples):
        return (
            "no sample fell into this phase"
            if not inside
            else reasons.get(metric, "not sampled during this phase, only before or after it")
        )
    return reasons.get(metric, "not sampled")


def _energy(
    samples: Sequence[dict[str, Any]],
    stretches: Sequence[tuple[float, float]],
    reasons: dict[str, str],
    idle: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Gross and net energy of the GPU, energy of the CPU packages, and why one of them is None."""
    wall_s = sum(end - start for start, end in stretches)
    unmeasured: dict[str, str] = {}
    energy_j, source, reason = energy_of(samples, stretches)
    if reason is not None:
        unmeasured["energy_j"] = reasons.get("gpu_energy_j", reason) if energy_j is None else reason
    net_energy_j = None
    if energy_j is None:
        unmeasured["net_energy_j"] = unmeasured["mean_gpu_power_w"] = unmeasured["energy_j"]
    elif idle["power_w"] is None:
        unmeasured["net_energy_j"] = f"no idle baseline: {idle['reason']}"
    else:
        net_energy_j = energy_j - idle["power_w"] * wall_s
    cpu_energy_j, reason = cpu_energy_of(samples, stretches)
    if reason is not None:
        unmeasured["cpu_energy_j"] = unmeasured["mean_cpu_power_w"] = reasons.get(CPU_ENERGY, reason)
    figures = {
        "energy_j": energy_j,
        "energy_source": source,
        "net_energy_j": net_energy_j,
        "mean_gpu_power_w": None if energy_j is None else energy_j / wall_s,
        "cpu_energy_j": cpu_energy_j,
        "cpu_energy_source": None if cpu_energy_j is None else CPU_ENERGY_SOURCE,
        "mean_cpu_power_w": None if cpu_energy_j is None else cpu_energy_j / wall_s,
    }
    return figures, unmeasured


def _add_throttling(
    figures: dict[str, Any],
    unmeasured: dict[str, str],
    samples: Sequence[dict[str, Any]],
    inside: Sequence[dict[str, Any]],
    reasons: dict[str, str],
) -> None:
    """A sample stands for the time until the next sample of the run."""
    name = "gpu_throttle_reasons"
    if not any(s.get(name) is not None for s in inside):
        figures["throttled_s"], figures["throttle_reasons_s"] = None, None
        unmeasured["throttled_s"] = _why(name, samples, inside, reasons)
        return
    throttled_s, by_reason_s = 0.0, dict[str, float]()
    inside_times = {s["time_unix_s"] for s in inside}
    for sample, after in itertools.pairwise(samples):
        if sample["time_unix_s"] not in inside_times or sample.get(name) is None:
            continue
        seconds = after["time_unix_s"] - sample["time_unix_s"]
        found = decode(int(sample[name]))
        for reason in found:
            by_reason_s[reason] = by_reason_s.get(reason, 0.0) + seconds
        throttled_s += seconds if THROTTLING.intersection(found) else 0.0
    figures["throttled_s"], figures["throttle_reasons_s"] = throttled_s, by_reason_s
