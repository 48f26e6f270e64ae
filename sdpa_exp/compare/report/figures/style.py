"""How figures look: colours that colour-blind readers tell apart, markers beside colours, and SVG that follows a theme.

matplotlib writes plain colours; text and axes get a placeholder that `to_svg` turns into CSS, so that one picture
serves light and dark. Figures are narrow: a page puts them side by side, a phone one below the other.
"""

from __future__ import annotations

import io
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sdpa_exp.compare.load.run import Run

_INK = "#010203"
_GRID = "#010204"
BASELINE_COLOUR = "#888888"
# Okabe and Ito (2008), without black and yellow, which one of the themes would swallow.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = "osD^vP"
_STYLE = {
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "font.size": 9,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.labelcolor": _INK,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "font.family": "sans-serif",
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure ready for a page: SVG text, a title, a caption with n, and the runs it was made from."""

    name: str
    title: str
    svg: str
    caption: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, kw_only=True)
class ArmStyle:
    """Colour, marker and line of one arm, the same in all figures of a report."""

    colour: str
    marker: str
    line: str


def arm_styles(arms: list[str], baseline: str, *, copies: Container[str] = ()) -> dict[str, ArmStyle]:
    """Grey for the baseline and A/A copies, the palette for the others; markers go on where colours repeat."""
    styles = {arm: ArmStyle(colour=BASELINE_COLOUR, marker="x", line=":") for arm in arms if arm in copies}
    styles[baseline] = ArmStyle(colour=BASELINE_COLOUR, marker="o", line="--")
    for index, arm in enumerate(arm for arm in arms if arm not in styles):
        styles[arm] = ArmStyle(
            colour=_COLOURS[index % len(_COLOURS)],
            marker=_MARKERS[(1 + index + index // len(_COLOURS)) % len(_MARKERS)],
            line="-",
        )
    return styles


def styled() -> Any:
    """A context in which figures are drawn."""
    return mpl.rc_context(_STYLE)


def new_axes(*, height_in: float = 2.7) -> tuple[Figure, Axes]:
    """A figure of the common width with one pair of axes."""
    figure = Figure(figsize=(4.4, height_in), layout="constrained")
    return figure, figure.subplots()


def picture(figure: Figure, *, name: str, title: str, caption: str, runs: Iterable[Run], label: str = "") -> Picture:
    """A figure made ready; `label` says what it shows to who can't see it, and is the title where none is given."""
    svg = to_svg(figure, name, label or title)
    return Picture(name=name.replace("/", "-"), title=title, svg=svg, caption=caption, runs=tuple(runs))


def counted(arms: Iterable[str], runs: Sequence[Run]) -> str:
    """`stock n = 3, sdpa n = 2`: the runs that a figure shows."""
    counts = {arm: sum(run.arm == arm for run in runs) for arm in arms}
    return ", ".join(f"{arm} n = {count}" for arm, count in counts.items() if count)


def to_svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an SVG element for inlining: it scales, follows the theme, and says what it shows."""
    with mpl.rc_context({"svg.hashsalt": name}):  # ids of clip paths and markers differ between figures of a page
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z][A-Za-z0-9.]*_\d+"', "", text)  # names of groups, counted anew in every figure
    text = re.sub(r'^<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg role="img" viewBox="\1">', text, count=1)
    text = text.replace("xlink:href", "href").replace(_INK, "currentColor").replace(_GRID, "var(--line)")
    return text.replace("<svg role", f'<svg aria-label="{_attribute(label)}" role', 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
