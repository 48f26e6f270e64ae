"""How time and memory grow with the number of tokens: exponents of power laws, fitted on logarithms."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

MIN_POINTS = 3
LEVEL = 0.95
_SERIES = ("level", "what", "model", "precision", "batch", "heads", "head_dim")


def fit_scaling(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry a series and arm: cases that differ in the number of tokens only, at least three of them."""
    series: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        place = row["name"].split()[0] if row["level"] == "module" else None
        series[(*(row.get(key) for key in _SERIES), place)].append(row)
    found = []
    for key, cases in series.items():
        labels = dict.fromkeys(label for case in cases for label in case["arms"])
        for label in labels:
            points = [(case["tokens"], case["arms"][label], case["id"]) for case in cases if label in case["arms"]]
            if len({tokens for tokens, _, _ in points}) < MIN_POINTS:
                continue
            tokens = [float(count) for count, _, _ in points]
            memory = [(arm.get("memory") or {}).get("allocated_mib") for _, arm, _ in points]
            found.append(
                {
                    **{name: value for name, value in zip(_SERIES, key, strict=False) if value is not None},
                    "layer": key[-1],
                    "arm": label,
                    "cases": [number for _, _, number in points],
                    "tokens": tokens,
                    "median_ms": [arm["median_ms"] for _, arm, _ in points],
                    "memory_mib": memory,
                    "time_exponent": exponent(tokens, [arm["median_ms"] for _, arm, _ in points]),
                    "memory_exponent": exponent(tokens, memory),
                }
            )
    return found


def exponent(x: Sequence[float], y: Sequence[float | None]) -> list[float] | None:
    """Slope of log y over log x with its 95 % t interval: [slope, low, high].

    None where fewer than three values of y are positive.
    """
    pairs = [(math.log(a), math.log(b)) for a, b in zip(x, y, strict=True) if b is not None and b > 0]
    if len({a for a, _ in pairs}) < MIN_POINTS:
        return None
    log_x, log_y = np.array(pairs).T
    fit = stats.linregress(log_x, log_y)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(pairs) - 2) * fit.stderr)
    return [float(fit.slope), float(fit.slope) - half, float(fit.slope) + half]
