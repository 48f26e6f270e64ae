"""Figures of the machine: where the time of a run went, and what telemetry saw while it ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sdpa_exp.compare.load.groups import GroupRuns
from sdpa_exp.compare.load.run import Run
from sdpa_exp.compare.report.figures.style import ArmStyle, Picture, counted, new_axes, picture
from sdpa_exp.runs.samples import read_samples

_PHASE_COLOURS = ("#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#888888", "#b0b0b0")
_STRIPS = {
    "gpu_utilization_percent": "GPU utilisation (%)",
    "gpu_power_w": "GPU power (W)",
    "gpu_temperature_c": "GPU temperature (°C)",
    "gpu_memory_used_mib": "GPU memory in use (MiB)",
    "cpu_percent": "CPU of the run (% of one core)",
    "system_cpu_percent": "CPU of the machine (%)",
    "rss_mib": "resident memory of the run (MiB)",
}
_MAX_POINTS = 300


def phase_times(group: GroupRuns) -> Iterator[Picture]:
    """Mean wall time of every phase, stacked, by arm."""
    used = [run for run in group.runs if run.is_finished and run.phases_s]
    if not used:
        return
    phases = list(dict.fromkeys(phase for run in used for phase in run.phases_s))
    arms = [arm for arm in group.arms if any(run.arm == arm for run in used)]
    figure, axes = new_axes(height_in=1.5 + 0.3 * len(arms))
    left = np.zeros(len(arms))
    for index, phase in enumerate(phases):
        width = np.array([np.mean([r.phases_s.get(phase, 0.0) for r in used if r.arm == arm]) for arm in arms])
        colour = _PHASE_COLOURS[index % len(_PHASE_COLOURS)]
        axes.barh(arms, width, left=left, color=colour, label=phase, height=0.6)
        left += width
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("wall time (s)")
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.45, -0.28 - 0.1 / len(arms)))
    yield picture(
        figure,
        name=f"phases-{group.group_id}",
        title="Where the time goes",
        label="Wall time of the phases of a run, by arm",
        caption=f"Mean wall time of each phase over finished runs. {counted(arms, used)}.",
        runs=used,
    )


def telemetry_strips(group: GroupRuns, styles: Mapping[str, ArmStyle]) -> Iterator[Picture]:
    """What telemetry saw in the first finished run of each arm, by metric."""
    traces: list[tuple[Run, list[dict[str, Any]]]] = []
    for arm in group.arms:
        run = next((run for run in group.of(arm) if run.is_finished), None)
        samples = [] if run is None else _samples(run)
        if run is not None and samples:
            traces.append((run, samples))
    for metric, label in _STRIPS.items():
        figure, axes = new_axes(height_in=1.9)
        used = []
        for run, samples in traces:
            points = [(s["mono_s"], s[metric]) for s in samples if s.get(metric) is not None and "mono_s" in s]
            if len(points) < 2:
                continue
            step = 1 + len(points) // _MAX_POINTS
            time_s, values = (np.array(column)[::step] for column in zip(*points, strict=True))
            style = styles[run.arm]
            axes.plot(time_s - time_s[0], values, style.line, color=style.colour, linewidth=1.1, label=run.arm)
            used.append(run)
        if not used:
            continue
        axes.set_xlabel("time since the first sample (s)")
        axes.set_ylim(bottom=0)
        axes.legend(ncols=4, loc="lower right")
        caption = f"One run an arm: {', '.join(run.label for run in used)}."
        yield picture(figure, name=f"strip-{metric}-{group.group_id}", title=label, caption=caption, runs=used)


def _samples(run: Run) -> list[dict[str, Any]]:
    """The run's telemetry; empty where there is none, or it can't be read."""
    try:
        return read_samples(run.folder)
    except (OSError, ValueError):
        return []
