"""Figures, aims and the table of benchmarks/overhead.py, from its raw seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Rounds = Sequence[dict[str, dict[str, float]]]

# name -> (what, unit of the figure, aim: at most)
AIMS = {
    "framework": ("ours over plain Ultralytics, train phase", "%", 2.0),
    "telemetry": ("telemetry on over off, train phase", "%", 0.5),
    "tracking": ("tracking on over off, train phase", "%", None),
    "telemetry_sample": ("one core's time for one sample a second (host, no GPU)", "%", 0.5),
    "start_to_first_batch": ("process start to first batch, ours minus plain", "s", 2.0),
    "start_to_first_batch_no_tracking": ("the same with tracking=none", "s", None),
    "attestation": ("attestation phase of a run", "s", None),
    "whole_run": ("whole process, ours minus plain (attestation, telemetry, tracking included)", "s", None),
    "one_more_run": ("one more run in a sweep, outside its worker", "s", None),
    "sweep_fixed": ("a sweep's start and end (preflight, comparison), once", "s", None),
}


def figures(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Median and range of each figure beside its aim.

    The range runs from the smallest to the largest of n independent pairs; it holds the true median with probability
    1 - 2^(1-n), whatever the distribution.
    """
    rounds: Rounds = content["rounds"]
    sample = content["sample"]
    short, long = content["sweeps"]
    outside = [each["wall_s"] - each["worker_s"] for each in (short, long)]
    one_more = (outside[1] - outside[0]) / (long["num_runs"] - short["num_runs"])
    values: dict[str, list[float]] = {
        "framework": _percent(rounds, "ours", "plain"),
        "telemetry": _percent(rounds, "ours", "no_telemetry"),
        "tracking": _percent(rounds, "ours", "no_tracking"),
        "telemetry_sample": [100 * cpu_s / sample["period_s"] for cpu_s in sample["cpu_s_per_sample"]],
        "start_to_first_batch": _minus(rounds, "start_to_first_batch_s", "ours"),
        "start_to_first_batch_no_tracking": _minus(rounds, "start_to_first_batch_s", "no_tracking"),
        "attestation": [each["ours"]["attestation_s"] for each in rounds],
        "whole_run": _minus(rounds, "wall_s", "ours"),
        "one_more_run": [one_more],
        "sweep_fixed": [outside[0] - one_more * short["num_runs"]],
    }
    return {name: _figure(name, np.array(values[name])) for name in AIMS}


def table(by_name: dict[str, dict[str, Any]]) -> str:
    """Markdown for benchmarks/results/README.md."""
    lines = ["| what | median | range | n | aim | |", "|---|---:|---:|---:|---:|---|"]
    for figure in by_name.values():
        unit, digits = figure["unit"], 2 if figure["unit"] == "%" else 1
        low, high = (f"{value:.{digits}f}" for value in figure["range"])
        spread = f"{low} to {high}" if figure["n"] > 1 else "-"
        aim = "-" if figure["aim"] is None else f"≤ {figure['aim']:g} {unit}"
        median = f"{figure['median']:.{digits}f} {unit}"
        lines.append(f"| {figure['what']} | {median} | {spread} | {figure['n']} | {aim} | {figure['verdict']} |")
    return "\n".join(lines)


def _figure(name: str, values: np.ndarray) -> dict[str, Any]:
    what, unit, aim = AIMS[name]
    low, high = float(values.min()), float(values.max())
    return {
        "what": what,
        "unit": unit,
        "median": float(np.median(values)),
        "range": [low, high],
        "range_covers_median": 1 - 2.0 ** (1 - len(values)) if len(values) > 1 else None,
        "n": len(values),
        "aim": aim,
        "verdict": _verdict(low, high, aim) if len(values) > 1 else "",
    }


def _verdict(low: float, high: float, aim: float | None) -> str:
    if aim is None:
        return ""
    if high <= aim:
        return "met"
    return "missed" if low > aim else "inconclusive"


def _percent(rounds: Rounds, arm: str, reference: str) -> list[float]:
    return [100 * (each[arm]["train_s"] / each[reference]["train_s"] - 1) for each in rounds]


def _minus(rounds: Rounds, name: str, arm: str) -> list[float]:
    return [each[arm][name] - each["plain"][name] for each in rounds]
