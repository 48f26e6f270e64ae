"""What the run's GPU drew before the run touched it: the idle baseline that net energy leaves out.

While the worker imports its libraries it has no CUDA context, so its GPU idles (a context alone raises the power of
many GPUs, so "between two steps" would not be idle). The rule: mean power over the second half of the time between the
first sample and the event log's `gpu_untouched_until_unix_s`; the first half lets a GPU that has just worked settle.
There is no baseline where that half is shorter than a second, or where the GPU was in use by others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdpa_exp.telemetry.energy import energy_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_WINDOW_S = 1.0
MAX_UTILIZATION_PERCENT = 5.0


def of_gpu(samples: Sequence[dict[str, Any]], uuid: str | None) -> list[dict[str, Any]]:
    """The samples with what AllGpusProbe read of this GPU under the plain names, and of the other GPUs left out."""
    prefix = f"{uuid}/"
    folded = []
    for sample in samples:
        early = {name.removeprefix(prefix): value for name, value in sample.items() if name.startswith(prefix)}
        folded.append({**early, **{name: value for name, value in sample.items() if "/" not in name}})
    return folded


def idle_baseline(samples: Sequence[dict[str, Any]], untouched_until_unix_s: float | None) -> dict[str, Any]:
    """`power_w`, `window_s`, `source` (counter or polling) and `reason`, which says why the power is None.

    Args:
        samples: of this GPU, see `of_gpu`.
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


def _is_of_gpu(sample: dict[str, Any]) -> bool:
    return sample.get("gpu_energy_j") is not None or sample.get("gpu_power_w") is not None


def _without(reason: str) -> dict[str, Any]:
    return {"power_w": None, "window_s": None, "source": None, "reason": reason}
