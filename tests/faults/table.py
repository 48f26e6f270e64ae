"""The table of faults: a row for each that was caused, in a JSON file that scripts add to; docs/faults.md shows it."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdpa_exp.runs.environment import software_and_host
from sdpa_exp.runs.files import read_json, write_json_atomic

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "faults_cpu.json"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault.

    Attributes:
        fault: what happened.
        how: it was caused.
        records_lost: runs, epochs or lines that should be there afterwards and are not: 0 where all is well.
        delay_s: wall seconds more than without it; None where that says nothing.
        saw: the words on the screen.
        is_as_expected: whether everything that was checked held.
    """

    fault: str
    how: str
    records_lost: int
    delay_s: float | None
    saw: str
    is_as_expected: bool


def add_rows(rows: Sequence[Row], *, made_by: str, path: Path = RESULTS) -> None:
    """Write the rows into the file, their texts on one line; those of the same fault that are there are replaced."""
    content: dict[str, Any] = read_json(path) or {"schema_version": 1, "rows": []}
    new = [{**{key: _on_one_line(value) for key, value in asdict(row).items()}, "made_by": made_by} for row in rows]
    names = {row["fault"] for row in new}
    content["rows"] = [*(row for row in content["rows"] if row["fault"] not in names), *new]
    content["environment"] = {key: value for key, value in software_and_host().items() if key != "locations"}
    write_json_atomic(path, content)


def add_caused(name: str, faults: Collection[str], cause: Callable[[Path, list[str]], Iterable[Row]]) -> int:
    """The command line of a script: cause the faults that are named, or all, and add their rows; 0 where none lost any.

    Args:
        name: of the script's module.
        faults: that it can cause.
        cause: makes a row for each name in turn, in a folder that is thrown away.
    """
    parser = argparse.ArgumentParser(prog=f"python -m tests.faults.{name}")
    parser.add_argument("faults", nargs="*", default=list(faults), help=", ".join(faults))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    is_well = True
    with tempfile.TemporaryDirectory(prefix=f"{name}_") as place:
        for row in cause(Path(place), options.faults):
            print(row, flush=True)
            add_rows([row], made_by=f"python -m tests.faults.{name}", path=options.out)
            is_well &= row.is_as_expected
    return 0 if is_well else 1


def _on_one_line(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return " / ".join(filter(None, map(str.strip, value.splitlines()))).replace("|", "/")
