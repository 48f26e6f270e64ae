"""Metrics by epoch: from the event log, or from the results.csv that Ultralytics writes; and whether two are equal."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sdpa_exp.compare.load.run import Curves, Precision
from sdpa_exp.errors import ComparisonError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

TIME_COLUMNS = frozenset({"time", "train_s", "val_s"})
# Ultralytics' column names -> ours; the rest (losses, lr/...) keep theirs.
_NAMES = {
    "metrics/precision(B)": "precision",
    "metrics/recall(B)": "recall",
    "metrics/mAP50(B)": "mAP50",
    "metrics/mAP50-95(B)": "mAP50-95",
}


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
        _NAMES.get(name, name): np.array([row.get(name) for row in values], dtype=np.float64)  # None becomes NaN
        for name in names
        if any(isinstance(row.get(name), int | float) for row in values)
    }
    return Curves(epochs=np.array(epochs), columns=columns, precision="bits")


def read_results_csv(path: Path) -> tuple[Curves, list[str]]:
    """Read a results.csv and say, in sentences, what was wrong with it.

    Raises:
        ComparisonError: the file can't be read, has no `epoch` column, or no complete epoch.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ComparisonError(f"{path} can't be read as text: {error}.") from error
    lines = [line for line in csv.reader(text.splitlines()) if line]
    header = [name.strip() for name in lines[0]] if lines else []
    if "epoch" not in header:
        got = f"its first line is {','.join(header)[:60]!r}" if header else "it is empty"
        raise ComparisonError(
            f"{path} is not a results.csv of Ultralytics: {got}, and a line of column names with 'epoch' was expected."
        )
    rows, problems = [], []
    for number, cells in enumerate(lines[1:], start=2):
        row = _numbers(cells, len(header))
        if row is None:
            where = "last line, half-written" if number == len(lines) else f"line {number}"
            problems.append(f"{path.name}: the {where}, is left out ({len(cells)} of {len(header)} columns readable).")
        else:
            rows.append(row)
    if not rows:
        raise ComparisonError(f"{path} has column names but no complete epoch: the run ended in its first epoch.")
    if lines[1:] and not text.endswith("\n") and not problems:
        problems.append(f"{path.name}: the last line has no end; its last number may be cut off.")
    table_EC = np.array(rows)
    epoch_column = header.index("epoch")
    epochs = table_EC[:, epoch_column]
    if np.any(np.diff(epochs) <= 0):
        problems.append(f"{path.name}: epochs don't count upwards; two runs may have written into one file.")
    if np.any(np.isnan(epochs)):
        raise ComparisonError(f"{path} has an epoch that is not a number.")
    columns = {_NAMES.get(n, n): table_EC[:, i] for i, n in enumerate(header) if i != epoch_column}
    return Curves(epochs=epochs.astype(np.int64), columns=columns, precision="printed digits"), problems


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


def _numbers(cells: list[str], num_columns: int) -> list[float] | None:
    """The numbers of one line; None where one is missing or unreadable."""
    if len(cells) != num_columns:
        return None
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None


def _printed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values as results.csv prints them: six significant digits."""
    return np.array([float(f"{value:.6g}") for value in values])
