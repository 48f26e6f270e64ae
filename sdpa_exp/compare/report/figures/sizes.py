"""The figure of AP by object size: a dot for each run, a bar at the mean of its arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sdpa_exp.compare.comparison import Group
from sdpa_exp.compare.report.figures.style import ArmStyle, Picture, counted, new_axes, picture

_WIDTH = 0.7


def ap_by_size_dots(group: Group, styles: Mapping[str, ArmStyle]) -> Iterator[Picture]:
    """One picture, where there is a size that was measured."""
    facts = group.accuracy
    sizes = [part for part in facts.sizes if part.by_arm and part.name != "all"]
    if not sizes:
        return
    arms = [arm.name for arm in group.arms if any(run.arm == arm.name for run in facts.measured)]
    figure, axes = new_axes()
    step = _WIDTH / len(arms)
    for place, arm in enumerate(arms):
        style = styles[arm]
        shift = (place - (len(arms) - 1) / 2) * step
        for x, part in enumerate(sizes):
            found = [
                value
                for run in facts.measured
                if run.arm == arm and (value := (run.accuracy or {})["sizes"][part.name]["AP50-95"]) is not None
            ]
            if not found:
                continue
            look: dict[str, Any] = {"color": style.colour, "markersize": 4.5, "alpha": 0.8, "zorder": 3}
            axes.plot([x + shift] * len(found), found, style.marker, label=arm if x == 0 else None, **look)
            ends = (x + shift - 0.35 * step, x + shift + 0.35 * step)
            axes.hlines(float(np.mean(found)), *ends, color=style.colour, linewidth=2)
    labels = [f"{part.name}\n{_boxes(part.num_boxes)}" for part in sizes]
    axes.set_xticks(range(len(sizes)), labels)
    axes.set_xlim(-0.5, len(sizes) - 0.5)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("COCO mAP50-95")
    axes.legend()
    yield picture(
        figure,
        name=f"sizes-{group.group_id}",
        title="mAP50-95 by object size",
        label="mAP50-95 by object size and arm",
        caption=f"One dot a run, the bar is the mean. {counted(arms, facts.measured)}. Few boxes make a loose figure: "
        "their number stands below each size.",
        runs=facts.measured,
    )


def _boxes(num_boxes: tuple[int, int]) -> str:
    low, high = num_boxes
    return f"{low} boxes" if low == high else f"{low} to {high} boxes"
