"""What all cases add up to: the share of attention, growth with the number of tokens, and the metrics of the run.

`identity` computes no attention and is the floor: what a case takes beyond it is attention. Exponents are those of
power laws, fitted on logarithms.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from sdpa_exp.measure.interval import ratio_of
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.bench.arms import FLOOR
from sdpa_exp.text_report import counted


def fastest(row: Mapping[str, Any]) -> str | None:
    """The real arm that gains most over the baseline, round by round; by its median where there is no baseline.

    None where there is no arm. Medians alone drift with the machine, and could name another arm than the gains do.
    """
    real = {label: float(arm["median_ms"]) for label, arm in row["arms"].items() if label != FLOOR}
    if row["baseline"] is None:
        return min(real, key=lambda label: real[label]) if real else None
    base = np.array(row["seconds"][row["baseline"]])
    gains = {label: float(np.median(base / row["seconds"][label])) for label in real}
    return max(gains, key=lambda label: gains[label], default=None)


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


def fill_outcome(outcome: Outcome, event_log: EventLog, content: Mapping[str, Any]) -> None:
    """Metrics with their reasons, and warnings."""
    for level in ("step", "inference", "module", "op"):
        why_not = f"no case of level {level} was measured with its baseline; bench.json says why"
        outcome.measure(f"{level}_speedup", _speedup(content, level), why_not)
    shares = [floor["attention_share"][0] for floor in content["floors"] if floor["level"] == "step"]
    why_not = f"no training step was measured with both the baseline and {FLOOR}"
    outcome.measure("attention_share", shares[-1] if shares else None, why_not)
    outcome.measure("num_cases", float(len(content["cases"])))
    outcome.measure("num_dropped_cases", float(len(content["dropped"])))
    drifted = [row for row in content["cases"] if row["is_drifted"]]
    if drifted:
        outcome.warn(
            event_log,
            "machine_changed",
            f"in {len(drifted)} of {counted(len(content['cases']), 'case')} the reference operation drifted by more "
            "than 10 %: another process, heat, or a clock. Repeat these on a calm machine.",
        )
    if content["dropped"]:
        first = content["dropped"][0]
        outcome.warn(
            event_log,
            "cases_dropped",
            f"{counted(len(content['dropped']), 'case')} dropped; the first, {first['level']} {first['name']}: "
            f"{first['reason']}",
        )


def _speedup(content: Mapping[str, Any], level: str) -> float | None:
    """Of the fastest backend in the largest case of a level."""
    rows = [row for row in content["cases"] if row["level"] == level and row["baseline"] is not None]
    row = rows[-1] if rows else None
    best = fastest(row) if row is not None else None
    return None if row is None or best is None else row["arms"][best]["speedup"][0]
