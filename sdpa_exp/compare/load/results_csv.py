"""Reads a results.csv of Ultralytics, of any version and in any state, and says in sentences what was wrong with it."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdpa_exp.compare.load.run import Curves
from sdpa_exp.errors import ComparisonError
from sdpa_exp.runs.metrics import RESULTS_CSV_NAMES

BOXES = ("precision", "recall", "mAP50", "mAP50-95")
SHARES = (*BOXES, *(f"{prefix}_{name}" for prefix in ("mask", "pose") for name in BOXES), "top1", "top5")
OBJECTNESS = "train/obj_loss"
"""A column that YOLOv5 has and later models have not."""


def read_results_csv(path: Path) -> tuple[Curves, list[str]]:
    """Read the file; epochs that are counted from 0, as YOLOv5 does, are counted from 1.

    Raises:
        ComparisonError: the file can't be read, has no `epoch` column, or no complete epoch.
    """
    text = _text(path)
    try:
        lines = [line for line in csv.reader(text.splitlines()) if line]
    except csv.Error as error:
        raise ComparisonError(f"{path} can't be read as comma-separated numbers: {error}.") from error
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
            where = "the last line, half-written," if number == len(lines) else f"line {number}"
            problems.append(f"{where} is left out ({len(cells)} of {len(header)} columns readable)")
        else:
            rows.append(row)
    if not rows:
        raise ComparisonError(f"{path} has column names but no complete epoch: the run ended in its first epoch.")
    if lines[1:] and not text.endswith("\n") and not problems:
        problems.append("the last line has no end; its last number may be cut off")
    table_EC = np.array(rows)
    epoch_column = header.index("epoch")
    epochs = table_EC[:, epoch_column]
    if not np.isfinite(epochs).all():
        raise ComparisonError(f"{path} has an epoch that is not a number.")
    if epochs[0] == 0:
        epochs = epochs + 1
    columns = {RESULTS_CSV_NAMES.get(n, n): table_EC[:, i] for i, n in enumerate(header) if i != epoch_column}
    problems += [f"the column {name} stands {count} times; the last is used" for name, count in _repeated(header)]
    problems += _odd(epochs, columns)
    curves = Curves(epochs=epochs.astype(np.int64), columns=columns, precision="printed digits")
    return curves, [f"{path.name}: {problem}." for problem in problems]


def _text(path: Path) -> str:
    """The text of a file in UTF-8 or UTF-16, with or without a mark for it."""
    try:
        content = path.read_bytes()
        is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ComparisonError(f"{path} can't be read as text: {error}.") from error


def _odd(epochs: NDArray[np.float64], columns: dict[str, NDArray[np.float64]]) -> Iterator[str]:
    """What makes numbers mean something else than they say."""
    if np.any(np.diff(epochs) <= 0):
        yield "epochs don't count upwards; two runs may have written into one file"
    if epochs[0] > 1:
        yield f"it begins at epoch {epochs[0]:.0f}: a training was resumed, and what came before is not here"
    for name in SHARES:
        values = columns.get(name, epochs[:0])
        if np.any(values > 1):
            first = int(epochs[int(np.argmax(values > 1))])
            yield f"{name} is above 1 at epoch {first}, as a percentage would be; it is not used"


def _repeated(header: list[str]) -> list[tuple[str, int]]:
    return [(name, count) for name, count in Counter(header).items() if count > 1]


def _numbers(cells: list[str], num_columns: int) -> list[float] | None:
    """The numbers of one line; None where one is missing or unreadable."""
    if len(cells) != num_columns:
        return None
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return None
