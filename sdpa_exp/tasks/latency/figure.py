"""The picture of task=latency: for each batch size and precision, the share of batches that were done in a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sdpa_exp.compare.report.figures.style import arm_styles, styled
from sdpa_exp.tasks.latency.interleave import Samples

_COLUMNS = 2
_CLIP_QUANTILE = 0.99
_GRID = "#dddddd"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes."""

    title: str
    samples: Samples


def draw_latencies(panels: list[Panel], baseline: str, title: str, path: Path) -> None:
    """Write a PNG: one panel a batch size and precision, one step curve an arm, a mark at each median."""
    arms = list(dict.fromkeys(arm for panel in panels for arm in panel.samples.stages_s))
    columns = min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    with styled():
        styles = arm_styles(arms, baseline)
        figure = Figure(figsize=(4.4 * columns, 3.0 * rows + 0.4), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).flatten()
        for axes, panel in zip(grid, panels, strict=False):
            shown_ms = []
            for arm in panel.samples.stages_s:
                latency_ms = np.sort(1e3 * panel.samples.latency_s(arm))
                share = np.arange(1, len(latency_ms) + 1) / len(latency_ms)
                style = styles[arm]
                axes.step(latency_ms, share, where="post", color=style.colour, linestyle=style.line, label=arm)
                median_ms = float(np.median(latency_ms))
                axes.plot([median_ms], [0.5], color=style.colour, marker=style.marker, linestyle="none")
                shown_ms += [latency_ms[0], float(np.quantile(latency_ms, _CLIP_QUANTILE))]
            margin_ms = 0.05 * (max(shown_ms) - min(shown_ms)) or 1.0
            axes.set_xlim(min(shown_ms) - margin_ms, max(shown_ms) + margin_ms)
            axes.set_ylim(0, 1.02)
            axes.set_title(f"{panel.title} (n = {len(panel.samples.orders)} each)")
            axes.set_xlabel("latency of a batch, ms (slowest 1 % may lie outside)")
            axes.set_ylabel("share of batches done")
            axes.grid(color=_GRID)
            axes.legend(loc="lower right")
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        figure.suptitle(title, fontsize=10)
        figure.savefig(path, dpi=120, facecolor="white", transparent=False)
