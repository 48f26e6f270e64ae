"""Metrics by epoch from the event log, and whether those of two runs are equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sdpa_exp.compare.load.results_csv import NAMES
from sdpa_exp.compare.load.run import Curves, Precision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

TIME_COLUMNS = frozenset({"time", "train_s", "val_s"})


@dataclass(frozen=True, kw_only=True)
class CurveMatch:
    """What two runs have in common, time aside: epochs, values compared, values that differ."""

    num_epochs: int
    num_values: int
    num_different: int
    precision: Precision

    @property
    def is_identical(self) -> bool:
        """Whether something was compared and nothing differed."""
        return self.num_values > 0 and self.num_different == 0


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
        NAMES.get(name, name): np.array([row.get(name) for row in values], dtype=np.float64)  # None becomes NaN
        for name in names
        if any(isinstance(row.get(name), int | float) for row in values)
    }
    return Curves(epochs=np.array(epochs), columns=columns, precision="bits")


def match_curves(first: Curves, second: Curves) -> CurveMatch:
    """Compare two runs value by value over their common epochs and columns, time aside. NaN equals NaN."""
    precision: Precision = "bits" if first.precision == second.precision == "bits" else "printed digits"
    _, rows_a, rows_b = np.intersect1d(first.epochs, second.epochs, return_indices=True)
    names = (first.columns.keys() & second.columns.keys()) - TIME_COLUMNS
    num_values = len(rows_a) if names else 0  # the epoch column itself
    num_different = 0
    for name in names:
        a, b = first.columns[name][rows_a], second.columns[name][rows_b]
        if first.precision != second.precision:
            a, b = _printed(a), _printed(b)
        equal = (a == b) | (np.isnan(a) & np.isnan(b))
        num_values += equal.size
        num_different += int(equal.size - equal.sum())
    return CurveMatch(
        num_epochs=len(rows_a), num_values=num_values, num_different=num_different, precision=precision
    )  # fmt: skip


def _printed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values as results.csv prints them: six significant digits."""
    return np.array([float(f"{value:.6g}") for value in values])
