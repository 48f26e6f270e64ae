"""Figures of learning: metrics by epoch, one line an arm, with the range over its seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from sdpa_exp.compare.load.groups import GroupRuns
from sdpa_exp.compare.numbers import ACCURACIES
from sdpa_exp.compare.report.figures.style import ArmStyle, Picture, counted, new_axes, picture

_LOSSES = ("box_loss", "seg_loss", "pose_loss", "loss")
_WANTED = (*ACCURACIES, *(f"{part}/{loss}" for loss in _LOSSES for part in ("train", "val")))


def learning_curves(group: GroupRuns, styles: Mapping[str, ArmStyle]) -> Iterator[Picture]:
    """One picture for each metric that the runs recorded."""
    runs = [run for run in group.runs if run.is_finished and run.curves is not None]
    for metric in _WANTED:
        used = [run for run in runs if run.curves is not None and metric in run.curves.columns]
        if not used:
            continue
        figure, axes = new_axes()
        for arm in group.arms:
            curves = [run.curves for run in used if run.arm == arm and run.curves is not None]
            if not curves:
                continue
            num_epochs = min(curve.epochs.size for curve in curves)
            epochs = curves[0].epochs[:num_epochs]
            table_SE = np.array([curve.columns[metric][:num_epochs] for curve in curves])
            style = styles[arm]
            marker = style.marker if num_epochs <= 12 else None
            look: dict[str, Any] = {"color": style.colour, "marker": marker, "markersize": 3.5, "linewidth": 1.5}
            axes.plot(epochs, table_SE.mean(axis=0), style.line, label=arm, **look)
            if len(curves) > 1:
                band = (table_SE.min(axis=0), table_SE.max(axis=0))
                axes.fill_between(epochs, *band, color=style.colour, alpha=0.18, linewidth=0)
        axes.set_xlabel("epoch")
        axes.set_ylabel(metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.legend()
        yield picture(
            figure,
            name=f"curve-{metric}-{group.group_id}",
            title=f"{metric} by epoch",
            caption="Mean over seeds; the band is the range over seeds, where there are two or more. "
            f"{counted(group.arms, used)}.",
            runs=used,
        )
