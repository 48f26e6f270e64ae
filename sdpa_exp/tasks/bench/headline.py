"""The few quantities of a benchmark that MLflow lists, and what a reader must be warned of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdpa_exp.results.events import Journal
from sdpa_exp.tasks.bench.arms import FLOOR
from sdpa_exp.tasks.bench.floor import fastest
from sdpa_exp.tasks.outcome import Outcome


def fill_outcome(outcome: Outcome, journal: Journal, content: Mapping[str, Any]) -> None:
    """Quantities with their reasons, and warnings."""
    for level in ("step", "inference", "module", "op"):
        name = f"{level}_speedup"
        outcome.quantities[name], reason = _speedup(content, level)
        if reason is not None:
            outcome.unmeasured[name] = reason
    shares = [floor["attention_share"][0] for floor in content["floors"] if floor["level"] == "step"]
    outcome.quantities["attention_share"] = shares[-1] if shares else None
    if not shares:
        outcome.unmeasured["attention_share"] = f"no training step was measured with both the baseline and {FLOOR}"
    outcome.quantities["num_cells"] = float(len(content["cells"]))
    outcome.quantities["num_dropped_cells"] = float(len(content["dropped"]))
    drifted = [row for row in content["cells"] if row["is_drifted"]]
    if drifted:
        outcome.warn(
            journal,
            "machine_changed",
            f"in {len(drifted)} of {len(content['cells'])} cells the reference operation drifted by more than 10 %: "
            "another process, heat, or a clock. Repeat these on a calm machine.",
        )
    if content["dropped"]:
        first = content["dropped"][0]
        outcome.warn(
            journal,
            "cells_dropped",
            f"{len(content['dropped'])} cells were dropped; the first, {first['level']} {first['name']}: "
            f"{first['reason']}",
        )


def _speedup(content: Mapping[str, Any], level: str) -> tuple[float | None, str | None]:
    """Of the fastest core in the largest cell of a level."""
    rows = [row for row in content["cells"] if row["level"] == level and row["baseline"] is not None]
    row = rows[-1] if rows else None
    best = fastest(row) if row is not None else None
    if row is None or best is None:
        return None, f"no cell of level {level} was measured with its baseline; bench.json says why"
    return row["arms"][best]["speedup"][0], None
