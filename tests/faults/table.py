"""The table of faults: one row for each that was caused, kept in a JSON file that scripts add to.

`python -m tests.faults.table` prints `benchmarks/results/faults_cpu.json` as Markdown.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdpa_exp.runs.environment import software_and_host
from sdpa_exp.runs.files import read_json, write_json_atomic

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "faults_cpu.json"
_HEAD = ("fault", "how it was caused", "records lost", "delay, s", "what the user saw")


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
    """Write the rows into the file; those of the same fault that are there are replaced."""
    content: dict[str, Any] = read_json(path) or {"schema_version": 1, "rows": []}
    names = {row.fault for row in rows}
    new = [{**asdict(row), "made_by": made_by} for row in rows]
    content["rows"] = [*(row for row in content["rows"] if row["fault"] not in names), *new]
    content["environment"] = {key: value for key, value in software_and_host().items() if key != "locations"}
    write_json_atomic(path, content)


def markdown(path: Path = RESULTS) -> str:
    """The file as a table."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    lines = [f"| {' | '.join(_HEAD)} |", "|---|---|---:|---:|---|"]
    for row in rows:
        delay = "" if row["delay_s"] is None else f"{row['delay_s']:.0f}"
        cells = (row["fault"], row["how"], str(row["records_lost"]), delay, row["saw"].replace("\n", "<br>"))
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown(Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS))
