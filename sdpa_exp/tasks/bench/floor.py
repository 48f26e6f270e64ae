"""How much of a case is attention, and how much of that the best backend removes; identity, with none, is the floor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sdpa_exp.measure.interval import ratio_of
from sdpa_exp.tasks.bench.arms import FLOOR


def fastest(row: Mapping[str, Any]) -> str | None:
    """The real arm with the lowest median; None where there is none."""
    real = {label: arm["median_ms"] for label, arm in row["arms"].items() if label != FLOOR}
    return min(real, key=lambda label: real[label]) if real else None


def floors(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each case with a floor and a baseline: the share of attention, and what the best backend removes of it."""
    found = []
    for row in rows:
        baseline, best = row["baseline"], fastest(row)
        if FLOOR not in row["arms"] or baseline in (None, FLOOR) or best is None:
            continue
        seconds = {label: np.array(values) for label, values in row["seconds"].items()}
        ratio = ratio_of(seconds[FLOOR], seconds[baseline])  # floor over baseline
        ms = {label: row["arms"][label]["median_ms"] for label in (baseline, best, FLOOR)}
        attention_ms = ms[baseline] - ms[FLOOR]
        found.append(
            {
                "case": row["id"],
                "level": row["level"],
                "what": row["what"],
                "name": row["name"],
                "baseline": baseline,
                "best": best,
                "attention_share": [
                    1 - ratio.value,
                    None if ratio.high is None else 1 - ratio.high,
                    None if ratio.low is None else 1 - ratio.low,
                ],
                "removed_by_best": (ms[baseline] - ms[best]) / attention_ms if attention_ms > 0 else None,
            }
        )
    return found
