"""Pictures of task=bench: speed-ups with intervals, and time and memory against the number of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from sdpa_exp.tasks.bench.arms import FLOOR
from sdpa_exp.tasks.bench.report import floor_label, three_digits

SPEEDUP_FILE = "speedup.png"
SCALING_FILE = "scaling.png"
# Okabe and Ito (2008): told apart by colour-blind readers. Order: as arms come in the registry.
_COLOURS = ("#888888", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKERS = "osD^vP<>"
_STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10}


def draw_plots(content: Mapping[str, Any], folder: Path) -> None:
    """Draw what there is to draw: `speedup.png`, and `scaling.png` where sizes differ."""
    with rc_context(_STYLE):
        rows = [row for row in content["cases"] if row["level"] != "op" and row["baseline"]]
        if rows:
            _speedups(rows, content).savefig(folder / SPEEDUP_FILE, dpi=120)
        if content["scaling"]:
            _scaling(content).savefig(folder / SCALING_FILE, dpi=120)


def _speedups(rows: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> Figure:
    """A panel a case: each arm's speed-up with its interval."""
    figure = Figure(figsize=(8.0, 0.9 + sum(0.35 + 0.19 * len(row["arms"]) for row in rows)), layout="constrained")
    panels = figure.subplots(
        len(rows), 1, squeeze=False, sharex=False, height_ratios=[1.5 + len(row["arms"]) for row in rows]
    )[:, 0]
    styles = _styles(content)
    for axes, row in zip(panels, rows, strict=True):
        labels = [label for label in row["arms"] if label != row["baseline"]]
        for place, label in enumerate(labels):
            value, low, high = row["arms"][label]["speedup"]
            colour, marker = styles[label]
            spread = None if low is None else [[max(0.0, value - low)], [max(0.0, high - value)]]
            axes.errorbar(value, place, xerr=spread, color=colour, marker=marker, capsize=3, markersize=5)
        axes.axvline(1.0, color="#888888", linestyle="--", linewidth=1)
        axes.set_yticks(range(len(labels)), [floor_label(label) for label in labels])
        axes.set_ylim(len(labels) - 0.4, -0.6)
        base_ms = three_digits(row["arms"][row["baseline"]]["median_ms"])
        axes.set_title(
            f"{row['level']} {row['name']}, {row['what']}, {row['precision']}: {row['baseline']} {base_ms} ms, "
            f"n = {row['rounds']} rounds",
            loc="left",
        )
        axes.grid(axis="x", linewidth=0.5, color="#dddddd")
        axes.set_axisbelow(True)
    panels[-1].set_xlabel("times faster than the baseline; bars: 95 % bootstrap interval")
    figure.suptitle(content["machine"]["device"], fontsize=9, x=0.01, ha="left")
    return figure


def _scaling(content: Mapping[str, Any]) -> Figure:
    """Time and memory against N, one row of panels a series of cases."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for found in content["scaling"]:
        key = tuple(found.get(name) for name in ("level", "layer", "what", "precision", "batch", "heads", "head_dim"))
        groups.setdefault(key, []).append(found)
    figure = Figure(figsize=(8.0, 0.6 + 2.6 * len(groups)), layout="constrained")
    panels = figure.subplots(len(groups), 2, squeeze=False)
    styles = _styles(content)
    for (key, series), (left, right) in zip(groups.items(), panels, strict=True):
        level, layer, what, precision, batch, heads, head_dim = key
        place = f"{level} {layer}" if layer else level
        where = f"{place} {what}, {precision}, B {batch}, H {heads}, D {head_dim}"
        for axes, metric, fit, unit in (
            (left, "median_ms", "time_exponent", "ms"),
            (right, "memory_mib", "memory_exponent", "peak MiB"),
        ):
            for found in series:
                points = sorted(
                    (n, y) for n, y in zip(found["tokens"], found[metric], strict=True) if y is not None and y > 0
                )
                if not points:
                    continue
                colour, marker = styles[found["arm"]]
                slope = f": N^{found[fit][0]:.2f}" if found[fit] else ""
                label = floor_label(found["arm"]) + slope
                axes.plot(*zip(*points, strict=True), color=colour, marker=marker, markersize=4, label=label)
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("tokens N")
            axes.set_ylabel(unit)
            ticks = sorted({n for found in series for n in found["tokens"]})
            axes.set_xticks(_apart(ticks), [f"{n:.0f}" for n in _apart(ticks)])
            axes.minorticks_off()
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.grid(linewidth=0.5, color="#dddddd")
            axes.set_axisbelow(True)
            if axes.lines:
                axes.legend(frameon=False, fontsize=8)
        left.set_title(where, loc="left")
    return figure


def _apart(ticks: Sequence[float]) -> list[float]:
    """Those far enough from the one before that their labels don't touch."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or tick > 1.25 * kept[-1]:
            kept.append(tick)
    return kept


def _styles(content: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each arm, the same in all pictures of a run."""
    labels = list(dict.fromkeys(label for row in content["cases"] for label in row["arms"] if label != FLOOR))
    styles = {
        label: (_COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)]) for index, label in enumerate(labels)
    }
    return {**styles, FLOOR: ("#000000", "x")}
