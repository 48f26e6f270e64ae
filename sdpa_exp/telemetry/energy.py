"""Energy of stretches of time, from a counter, or from polled power where there is no counter.

The GPU's counter is the better source: polled power covers about a quarter of the run time on A100 and H100 (the
sensor averages over 25 of each 100 ms), so short peaks are lost. Which one was used is always said.

What the GPU drew before the run touched it is the idle baseline that net energy leaves out. While the worker imports
its libraries it has no CUDA context, so its GPU idles (a context alone raises the power of many GPUs, so "between two
steps" would not be idle). The rule: mean power over the second half of the time between the first sample and the event
log's `gpu_untouched_until_unix_s`; the first half lets a GPU that has just worked settle. There is no baseline where
that half is shorter than a second, or where the GPU was in use by others.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

EnergySource = Literal["counter", "polling"]
CPU_ENERGY_SOURCE = "rapl"

CPU_ENERGY = "cpu_package_energy_j"  # the name in telemetry.jsonl

MIN_WINDOW_S = 1.0
MAX_UTILIZATION_PERCENT = 5.0
# A stretch whose border lies outside the sampled time by at most this share of it is still given, uncorrected.
_MIN_COVERAGE = 0.95


def energy_of(
    samples: Sequence[dict[str, Any]], stretches: Sequence[tuple[float, float]]
) -> tuple[float | None, EnergySource | None, str | None]:
    """Energy of the GPU in joules over the stretches (start and end in unix seconds), its source, and a reason.

    The counter is interpolated linearly at the borders, power by the trapezoid rule. The reason says why the energy
    is None, or why it comes from polling.
    """
    counter = [(s["time_unix_s"], s["gpu_energy_j"]) for s in samples if s.get("gpu_energy_j") is not None]
    energy_j, why_no_counter = _by_counter(counter, stretches)
    if energy_j is not None:
        return energy_j, "counter", None
    power = [(s["time_unix_s"], s["gpu_power_w"]) for s in samples if s.get("gpu_power_w") is not None]
    energy_j, why_no_power = _by_counter(_accumulate(power), stretches)
    if energy_j is not None:
        return energy_j, "polling", f"integrated from polled power, which misses short peaks: {why_no_counter}"
    return None, None, why_no_counter if counter else why_no_power


def cpu_energy_of(
    samples: Sequence[dict[str, Any]], stretches: Sequence[tuple[float, float]]
) -> tuple[float | None, str | None]:
    """Energy of the machine's CPU packages over the stretches, from RAPL's counters, or None and the reason."""
    counter = [(s["time_unix_s"], s[CPU_ENERGY]) for s in samples if s.get(CPU_ENERGY) is not None]
    return _by_counter(counter, stretches, of="the CPU packages' energy")


def of_gpus(samples: Sequence[dict[str, Any]], uuids: Sequence[str]) -> list[dict[str, Any]]:
    """The samples with what AllGpusProbe read of these GPUs under the plain names, and of the other GPUs left out.

    Of several GPUs power and energy are summed, other values averaged; one that lacks a GPU's value is None.
    """
    folded = []
    for sample in samples:
        names = dict.fromkeys(name.partition("/")[2] for name in sample if name.partition("/")[0] in uuids)
        early: dict[str, Any] = {}
        for name in names:
            values = [sample.get(f"{uuid}/{name}") for uuid in uuids]
            known = [value for value in values if value is not None]
            total = sum(known) if len(known) == len(values) else None
            is_summed = name in ("gpu_power_w", "gpu_energy_j")
            early[name] = total if total is None or is_summed else total / len(values)
        folded.append({**early, **{name: value for name, value in sample.items() if "/" not in name}})
    return folded


def idle_baseline(samples: Sequence[dict[str, Any]], untouched_until_unix_s: float | None) -> dict[str, Any]:
    """`power_w`, `window_s`, `source` (counter or polling) and `reason`, which says why the power is None.

    Args:
        samples: of this GPU, see `of_gpus`.
        untouched_until_unix_s: when the run had not touched the GPU yet.
    """
    times_s = [s["time_unix_s"] for s in samples if _is_of_gpu(s)]
    if not times_s:
        return _without("the GPU was not sampled")
    if untouched_until_unix_s is None:
        return _without("the run ended before its libraries were imported")
    window_s = (untouched_until_unix_s - times_s[0]) / 2
    if window_s < MIN_WINDOW_S:
        return _without(
            f"the GPU was sampled for {max(0.0, 2 * window_s):.1f} s before the run touched it, and "
            f"{2 * MIN_WINDOW_S:g} s are needed"
        )
    half = (untouched_until_unix_s - window_s, untouched_until_unix_s)
    used = [
        s["gpu_utilization_percent"]
        for s in samples
        if half[0] <= s["time_unix_s"] <= half[1] and s.get("gpu_utilization_percent") is not None
    ]
    if used and max(used) > MAX_UTILIZATION_PERCENT:
        return _without(f"another process used the GPU at up to {max(used):g} % before the run touched it")
    energy_j, source, reason = energy_of(samples, [half])
    if energy_j is None:
        return _without(str(reason))
    return {"power_w": energy_j / window_s, "window_s": window_s, "source": source, "reason": None}


def _accumulate(power: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Polled power as a running energy, so that both sources are read the same way."""
    energy_j = 0.0
    points: list[tuple[float, float]] = []
    for i, (time_s, power_w) in enumerate(power):
        if i:
            before_s, before_w = power[i - 1]
            energy_j += (time_s - before_s) * (power_w + before_w) / 2
        points.append((time_s, energy_j))
    return points


def _by_counter(
    points: Sequence[tuple[float, float]],
    stretches: Sequence[tuple[float, float]],
    *,
    of: str = "the GPU's energy or power",
) -> tuple[float | None, str | None]:
    if len(points) < 2:
        return None, f"fewer than two samples of {of}"
    if any(after[1] < before[1] for before, after in itertools.pairwise(points)):
        return None, "the energy counter went backwards: the driver was reloaded or the device reset"
    wanted_s = sum(end - start for start, end in stretches)
    covered_s = sum(max(0.0, min(end, points[-1][0]) - max(start, points[0][0])) for start, end in stretches)
    if wanted_s <= 0 or covered_s < _MIN_COVERAGE * wanted_s:
        return None, f"{of} was sampled during {covered_s:.1f} s of the {wanted_s:.1f} s"
    return sum(_at(points, end) - _at(points, start) for start, end in stretches), None


def _at(points: Sequence[tuple[float, float]], time_s: float) -> float:
    """Linear between the points, constant beyond them."""
    if time_s <= points[0][0]:
        return points[0][1]
    for before, after in itertools.pairwise(points):
        if time_s <= after[0]:
            return before[1] + (after[1] - before[1]) * (time_s - before[0]) / (after[0] - before[0])
    return points[-1][1]


def _is_of_gpu(sample: dict[str, Any]) -> bool:
    return sample.get("gpu_energy_j") is not None or sample.get("gpu_power_w") is not None


def _without(reason: str) -> dict[str, Any]:
    return {"power_w": None, "window_s": None, "source": None, "reason": reason}
