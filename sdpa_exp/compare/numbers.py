"""How figures are written: digits, units and signs of every metric, in one place."""

from __future__ import annotations

import math

from sdpa_exp.compare.load.run import COST, CSV_TIME, ENERGY, RATIOS
from sdpa_exp.runs.metrics import METRICS, Metric

ACCURACIES = (
    "mAP50-95",
    "mAP50",
    *(f"{p}_{n}" for p in ("mask", "pose") for n in ("mAP50-95", "mAP50")),
    "top1",
    "top5",
)
"""Those of every purpose; a run has those of its own."""
COSTS = ("train_s", CSV_TIME, "images_per_s", "peak_memory_mib", ENERGY, COST)
MAIN_METRICS = ("mAP50", "mAP50-95", *ACCURACIES[2:], *COSTS)
_CSV_TIME = Metric(
    name=CSV_TIME,
    unit="s",
    better="lower",
    meaning="the time column of results.csv at its last line: all epochs, validation included",
)
_HEADINGS = {
    "train_s": "train s",
    "images_per_s": "images/s",
    "peak_memory_mib": "peak MiB",
    "total_s": "total s",
    CSV_TIME: "time s",
    ENERGY: "energy J",
}
_SIZES = ("mAP50-95_small", "mAP50-95_medium", "mAP50-95_large")
_POINTS = frozenset(
    {
        *ACCURACIES,
        *("last/mAP50", "last/mAP50-95", "F1", *_SIZES),
        *(f"{prefix}{name}" for prefix in ("", "mask_", "pose_") for name in ("precision", "recall")),
    }
)


def metric_of(name: str) -> Metric:
    """The definition of a metric; one we don't know has no unit and no better way."""
    return (
        {CSV_TIME: _CSV_TIME}.get(name)
        or METRICS.get(name)
        or Metric(name=name, unit="", better=None, meaning="as its run recorded it")
    )


def meaning(name: str, *, is_plain: bool = False) -> str:
    """How a metric was measured; in plain folders best.pt was not evaluated again."""
    if is_plain and name in _POINTS:
        best = "mAP50-95" if name in {"mAP50", "mAP50-95", "precision", "recall"} else "fitness"
        return f"from the line of results.csv with the best {best}"
    return metric_of(name).meaning


def heading(name: str) -> str:
    """A short column heading that carries the unit."""
    return _HEADINGS.get(name, name)


def is_in_points(name: str) -> bool:
    """Whether differences are given in percentage points (shares between 0 and 1)."""
    return name in _POINTS


def plain(value: float, *, spread: float | None = None) -> str:
    """A value, to two digits of its spread where there is one, else to three significant digits."""
    if value == 0 and not spread:
        return "0"
    scale = spread or abs(value) / 10
    decimals = min(max(1 - math.floor(math.log10(scale)), 0), 4) if scale > 0 else 4
    return f"{value:.{decimals}f}"


def mean_and_sd(mean: float, sd: float | None) -> str:
    """`0.753 ± 0.012`; the mean alone for one run."""
    if sd is None:
        return plain(mean)
    return f"{plain(mean, spread=sd)} ± {plain(sd, spread=sd)}"


def signed(value: float, *, spread: float | None = None) -> str:
    """A difference with its sign; one that rounds to 0 has none."""
    text = plain(abs(value), spread=spread)
    if not float(text):
        return text
    return ("+" if value > 0 else "-") + text


def difference(name: str, value: float, *, spread: float | None = None, unit: bool = True) -> str:
    """A difference of a metric: `+0.31 points`, `-11.9 s`."""
    if is_in_points(name):
        return signed(100 * value, spread=_times(spread, 100)) + (" points" if unit else "")
    word = metric_of(name).unit
    return signed(value, spread=spread) + (f" {word}" if unit and word else "")


def interval(name: str, low: float, high: float, *, unit: bool = False) -> str:
    """`-4.1 to +4.7`, in the unit of `difference`, to digits that fit its width; shares end at 100 points.

    The bounds of a ratio lie unevenly about it: each has digits of its own, or -0.5 s of 0.6 s would become -1 s.
    """
    factor, word = (100.0, "points") if is_in_points(name) else (1.0, metric_of(name).unit)
    half_width = factor * (high - low) / 2
    if is_in_points(name):
        low, high = max(low, -1.0), min(high, 1.0)
    spreads = [min(half_width, abs(bound)) or half_width if name in RATIOS else half_width for bound in (low, high)]
    text = f"{signed(factor * low, spread=spreads[0])} to {signed(factor * high, spread=spreads[1])}"
    return f"{text} {word}" if unit and word else text


def percent(share: float, *, sign: bool = True) -> str:
    """A percentage: one decimal, two below 1 %, two significant digits below 0.01 %: `-8.2 %`, `+0.09 %`."""
    size = abs(100 * share)
    text = f"{size:.1f}" if size >= 1 else f"{size:.2f}" if size >= 0.01 else f"{size:.2g}"
    mark = "" if not sign or not size else "+" if share > 0 else "-"
    return f"{mark}{text} %"


def p_value(p: float) -> str:
    """`p = 0.032`, `p < 0.0001`."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value
