"""Findings about the machine while runs trained: throttling, and other users of GPU and CPU, as telemetry saw them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.findings.finding import Finding, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdpa_exp.compare.load.groups import GroupRuns
    from sdpa_exp.compare.load.run import Run

OTHER_GPU_MEMORY_MIB = 1024.0
OTHER_CPU_PERCENT = 15.0


def machine(group: GroupRuns) -> Iterator[Finding]:
    """Throttling, and other users of GPU and CPU, as telemetry saw them in the train phase."""
    for code, detail_of, sentence in (
        ("gpu-shared", _other_gpu_memory, "Something else held GPU memory during {who} ({what}): if it computed, times "
         "are not of the arm alone."),
        ("throttled", _throttling, "The GPU throttled during {who} ({what}): times are not of the arm alone."),
        ("cpu-shared", _other_cpu, "Other processes kept the CPU busy during {who} ({what}): times are too long and "
         "too noisy."),
    ):  # fmt: skip
        hit = [(run, detail) for run in group.runs if run.is_finished and (detail := detail_of(run))]
        if hit:
            yield Finding(
                code=code,
                severity="warning",
                sentence=sentence.format(
                    who=listed((run.label for run, _ in hit), 3), what=f"{hit[0][0].label}: {hit[0][1]}"
                ),
                evidence={run.label: detail for run, detail in hit},
            )


def _while_training(run: Run) -> dict[str, Any]:
    """The telemetry summary of the train phase, else of the whole run."""
    telemetry = run.telemetry or {}
    return (telemetry.get("phases") or {}).get("train") or telemetry.get("overall") or {}


def _throttling(run: Run) -> str | None:
    """`12 % of the time: sw_power_cap`, where it was more than 1 %."""
    figures = _while_training(run)
    throttled_s, wall_s = figures.get("throttled_s"), figures.get("wall_s")
    if not throttled_s or not wall_s or throttled_s < 0.01 * wall_s:
        return None
    reasons = figures.get("throttle_reasons_s") or {}
    names = [name for name in reasons if name not in {"gpu_idle", "applications_clocks_setting"}]
    return f"{100 * throttled_s / wall_s:.0f} % of the time: {listed(names)}"


def _other_gpu_memory(run: Run) -> str | None:
    """`3,100 MiB beyond its own`; the driver and a desktop take some hundred."""
    figures = _while_training(run)
    device, own = figures.get("peak_gpu_memory_used_mib"), figures.get("peak_gpu_process_memory_mib")
    if device is None or own is None or device - own < OTHER_GPU_MEMORY_MIB:
        return None
    return f"{device - own:,.0f} MiB beyond its own"


def _other_cpu(run: Run) -> str | None:
    """`45 % of the CPU beyond its own`."""
    figures = _while_training(run)
    system, own = figures.get("mean_system_cpu_percent"), figures.get("mean_cpu_percent")
    num_cpus = run.environment.get("num_cpus")
    if system is None or own is None or not num_cpus or system - own / num_cpus < OTHER_CPU_PERCENT:
        return None
    return f"{system - own / num_cpus:.0f} % of the CPU beyond its own"
