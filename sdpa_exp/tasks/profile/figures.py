"""The pictures of task=profile: a step as a stacked bar, and what its memory is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sdpa_exp.tasks.profile.parts import HAVE_BACKWARD, PARTS

# Okabe and Ito (2008) where attention is, greys and lighter tones for the rest, so that attention stands out.
_COLOURS = {
    "product": "#d55e00",
    "attention_rest": "#e69f00",
    "projection": "#f0e442",
    "conv": "#0072b2",
    "norm_activation": "#56b4e9",
    "other_layers": "#a6cee3",
    "loss": "#009e73",
    "optimiser": "#cc79a7",
    "data": "#7f5f3f",
    "transfer": "#bf9f7f",
    "other": "#888888",
    "idle": "#dddddd",
}
_MEMORY = (
    ("weights", "weights", "#0072b2"),
    ("ema", "EMA", "#56b4e9"),
    ("optimiser", "optimiser", "#cc79a7"),
    ("gradients", "gradients", "#a6cee3"),
    ("batch", "batch", "#bf9f7f"),
)
_STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
_TITLES = {part.key: part.title for part in PARTS}


def draw_step(content: dict[str, Any], path: Path) -> None:
    """Forward, backward and the rest of a mean profiled step, one bar each, in milliseconds."""
    step = content["step"]
    bars = ("forward, loss", "backward", "rest of the step")
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        axes = figure.subplots()
        left = [0.0, 0.0, 0.0]
        for share in step["shares"]:
            key = share["key"]
            values = [1000 * share["forward_s"], 1000 * share["backward_s"], 0.0]
            if key not in HAVE_BACKWARD:
                values = [0.0, values[1], values[0]]
            if not any(values):
                continue
            percent = 100 * sum(values) / (1000 * step["step_s"])
            axes.barh(
                bars, values, left=left, color=_COLOURS[key], label=f"{_TITLES[key]} {percent:.1f} %", height=0.65
            )
            left = [begin + width for begin, width in zip(left, values, strict=True)]
        axes.invert_yaxis()
        axes.set_xlabel(f"ms of a step of {1000 * step['step_s']:.0f} ms (mean of {len(step['steps_s'])}, profiled)")
        axes.set_title(_title(content), loc="left", fontsize=10)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), fontsize=8)
        figure.savefig(path, dpi=130)


def draw_memory(content: dict[str, Any], path: Path) -> None:
    """What the peak is made of, beside the peak of all tensors and the process's own figures."""
    memory = content["memory"]
    in_update = memory["peak_phase"] == "optimiser"
    attention = memory["saved_attention"]
    pieces = [(title, memory[key], colour) for key, title, colour in _MEMORY if in_update or key != "gradients"]
    if not in_update:
        pieces += [
            ("activations, attention", attention, "#d55e00"),
            ("activations, rest", memory["saved"] - attention, "#009e73"),
        ]
    pieces.append(("temporary", max(0.0, memory["temporary"]), "#888888"))
    others = (
        ("peak_reserved", "reserved (torch)"),
        ("device_used", "device in use"),
        ("peak_rss", "process (RSS) peak"),
    )
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        axes = figure.subplots()
        left = 0.0
        for title, value, colour in pieces:
            axes.barh(
                ["peak of all tensors"], [value], left=[left], color=colour, label=f"{title} {value:.1f}", height=0.6
            )
            left += value
        for key, title in others:
            if memory[key] is not None:
                axes.barh([title], [memory[key]], color="#dddddd", height=0.6)
        axes.invert_yaxis()
        axes.set_xlabel(f"MiB; the peak was in {memory['peak_phase']}")
        axes.set_title(_title(content), loc="left", fontsize=10)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), fontsize=8)
        figure.savefig(path, dpi=130)


def _title(content: dict[str, Any]) -> str:
    return (
        f"attention={content['arm']}, {content['model']}, {content['imgsz']} px, batch {content['batch']}, "
        f"{content['precision']}, {content['device']}"
    )
