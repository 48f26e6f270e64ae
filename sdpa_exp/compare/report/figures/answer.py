"""The charts that show the answer: how fast each arm is, and how much more accurate, with intervals and margins."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sdpa_exp.compare import numbers
from sdpa_exp.compare.report.figures.style import ArmStyle, Picture, new_axes, picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

    from sdpa_exp.compare.answer.judge import Judged, Speed
    from sdpa_exp.compare.verdict import Verdict


class _Interval(NamedTuple):
    arm: str
    value: float
    low: float
    high: float


class _Panel(NamedTuple):
    """Intervals of arms beside a line of no difference, around which a margin counts for nothing."""

    title: str
    label: str
    right: str
    none: float
    margin: tuple[float, float]
    intervals: list[_Interval]


def answer_charts(
    judged: Judged | None, verdicts: Sequence[Verdict], *, baseline: str, styles: Mapping[str, ArmStyle], name: str
) -> Iterator[Picture]:
    """An interval for each arm: times as fast per training step, and accuracy; inference where nothing was trained.

    Args:
        judged: what was measured side by side; None where nothing was.
        verdicts: of trainings; empty without any.
        baseline: the arm that the others are compared with.
        styles: of the arms.
        name: how the figures' names begin, unlike those of any other on their page.
    """
    panels = [] if judged is None else [_speed(judged.step, baseline, "Training step")]
    panels.append(_accuracy(verdicts, baseline))
    if judged is not None and not verdicts:
        panels.append(_speed(judged.inference, baseline, "Inference"))
    for number, panel in enumerate(panel for panel in panels if panel is not None):
        figure, axes = new_axes(height_in=0.75 + 0.3 * len(panel.intervals))
        _draw(axes, panel, styles)
        yield picture(
            figure,
            name=f"{name}-{number}",
            title=panel.title,
            caption=f"Dot: what was measured; line: its interval. Wholly right of the dashed line: {panel.right} than "
            f"{baseline}. Wholly inside the grey band: no difference that matters.",
            runs=[],
        )


def _draw(axes: Axes, panel: _Panel, styles: Mapping[str, ArmStyle]) -> None:
    axes.axvspan(*panel.margin, color="#888888", alpha=0.2, linewidth=0)
    axes.axvline(panel.none, color="#888888", linestyle="--", linewidth=1)
    for y, (arm, value, low, high) in enumerate(panel.intervals):
        axes.hlines(y, low, high, color=styles[arm].colour, linewidth=2)
        axes.plot(value, y, styles[arm].marker, color=styles[arm].colour, markersize=7)
    axes.set_yticks(range(len(panel.intervals)), [interval.arm for interval in panel.intervals])
    axes.set_ylim(len(panel.intervals) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(panel.label)


def _speed(speeds: Mapping[str, Speed], baseline: str, title: str) -> _Panel | None:
    if not speeds:
        return None
    margin = max(speed.margin for speed in speeds.values())
    return _Panel(
        title=title,
        label=f"times as fast as {baseline}",
        right="faster",
        none=1.0,
        margin=(1 / (1 + margin), 1 + margin),
        intervals=[_Interval(speed.arm, speed.ratio, speed.low, speed.high) for speed in speeds.values()],
    )


def _accuracy(verdicts: Sequence[Verdict], baseline: str) -> _Panel | None:
    """Of the first question about a share, such as mAP50-95: differences in points."""
    asked = [verdict for verdict in verdicts if numbers.is_in_points(verdict.question.metric)]
    intervals, margins = [], [0.0]
    for verdict in asked:
        test = verdict.test
        bounds = test.interval(verdict.level or test.level) if test is not None else None
        if verdict.question != asked[0].question or test is None or bounds is None:
            continue
        intervals.append(_Interval(verdict.arm, 100 * test.mean, 100 * bounds[0], 100 * bounds[1]))
        margins.append(100 * (test.margin or 0.0))
    if not intervals:
        return None
    return _Panel(
        title="Accuracy",
        label=f"{asked[0].question.metric} minus that of {baseline}, points",
        right="more accurate",
        none=0.0,
        margin=(-max(margins), max(margins)),
        intervals=intervals,
    )
