"""Metrics by epoch from the event log, and whether those of two runs are equal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdpa_exp.compare.load.run import Curves, Precision
from sdpa_exp.runs.metrics import RESULTS_CSV_NAMES

TIME_COLUMNS = frozenset({"time", "train_s", "val_s"})


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What two runs have in common, time aside: epochs, and values of metrics in them (the epoch's number is one)."""

    num_epochs: int
    num_values: int
    precision: Precision


def curves_from_epochs(events: Iterable[dict[str, Any]]) -> Curves | None:
    """Curves from the event log's `epoch` events; None where there is none. A metric missing in an epoch is NaN."""
    rows = {int(event["epoch"]): event for event in events}
    if not rows:
        return None
    epochs = sorted(rows)
    values = [
        {**(rows[epoch].get("metrics") or {}), "train_s": rows[epoch].get("train_s"), "val_s": rows[epoch].get("val_s")}
        for epoch in epochs
    ]
    names = values[0].keys()
    if any(row.keys() != names for row in values):
        names = dict.fromkeys(name for row in values for name in row).keys()
    columns = {
        RESULTS_CSV_NAMES.get(name, name): np.array(
            [row.get(name) for row in values], dtype=np.float64
        )  # None becomes NaN
        for name in names
        if any(isinstance(row.get(name), int | float) for row in values)
    }
    return Curves(epochs=np.array(epochs), columns=columns, precision="bits")


def shared_values(first: Curves, second: Curves) -> Shared:
    """How much two curves can be compared in."""
    num_epochs = int(np.intersect1d(first.epochs, second.epochs).size)
    names = (first.columns.keys() & second.columns.keys()) - TIME_COLUMNS
    precision: Precision = "bits" if first.precision == second.precision == "bits" else "printed digits"
    return Shared(num_epochs=num_epochs, num_values=num_epochs * (1 + len(names)) if names else 0, precision=precision)
