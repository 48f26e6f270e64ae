"""The few metrics of a benchmark that MLflow lists, and what a reader must be warned of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.bench.arms import FLOOR
from sdpa_exp.tasks.bench.floor import fastest


def fill_outcome(outcome: Outcome, event_log: EventLog, content: Mapping[str, Any]) -> None:
    """Metrics with their reasons, and warnings."""
    for level in ("step", "inference", "module", "op"):
        name = f"{level}_speedup"
        outcome.metrics[name], reason = _speedup(content, level)
        if reason is not None:
            outcome.unmeasured[name] = reason
    shares = [floor["attention_share"][0] for floor in content["floors"] if floor["level"] == "step"]
    outcome.metrics["attention_share"] = shares[-1] if shares else None
    if not shares:
        outcome.unmeasured["attention_share"] = f"no training step was measured with both the baseline and {FLOOR}"
    outcome.metrics["num_cases"] = float(len(content["cases"]))
    outcome.metrics["num_dropped_cases"] = float(len(content["dropped"]))
    drifted = [row for row in content["cases"] if row["is_drifted"]]
    if drifted:
        outcome.warn(
            event_log,
            "machine_changed",
            f"in {len(drifted)} of {len(content['cases'])} cases the reference operation drifted by more than 10 %: "
            "another process, heat, or a clock. Repeat these on a calm machine.",
        )
    if content["dropped"]:
        first = content["dropped"][0]
        outcome.warn(
            event_log,
            "cases_dropped",
            f"{len(content['dropped'])} cases were dropped; the first, {first['level']} {first['name']}: "
            f"{first['reason']}",
        )


def _speedup(content: Mapping[str, Any], level: str) -> tuple[float | None, str | None]:
    """Of the fastest backend in the largest case of a level."""
    rows = [row for row in content["cases"] if row["level"] == level and row["baseline"] is not None]
    row = rows[-1] if rows else None
    best = fastest(row) if row is not None else None
    if row is None or best is None:
        return None, f"no case of level {level} was measured with its baseline; bench.json says why"
    return row["arms"][best]["speedup"][0], None
