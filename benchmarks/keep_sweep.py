"""Keeps the figures of a sweep: one JSON from its run folders, small enough to commit.

python -m benchmarks.keep_sweep multirun/comparison/DATE_TIME benchmarks/results/NAME.json
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from sdpa_exp.runs.files import ANSWER_FILE, INTERLEAVED_FOLDER, read_json
from sdpa_exp.runs.record import Record, read_record

_ENVIRONMENT = ("python", "cpu", "num_cpus", "gpu", "driver", "cuda", "versions", "git")


def main() -> None:
    """Read the folder, write the file, both from the command line."""
    content = kept_sweep(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def kept_sweep(sweep_dir: Path) -> dict[str, Any]:
    """What is kept of a sweep's folder."""
    sweep = json.loads((sweep_dir / "sweep.json").read_text(encoding="utf-8"))
    records = [read_record(sweep_dir / job["run_dir"]) for job in sweep["jobs"]]
    beside = sweep_dir / INTERLEAVED_FOLDER / "0"  # of a sweep of one comparison group
    measured = read_json(beside / ANSWER_FILE)
    last = read_record(beside) if measured else records[-1]
    started, ended = (datetime.fromisoformat(t) for t in (records[0].started_at, last.ended_at))
    comparison = json.loads((sweep_dir / "comparison.json").read_text(encoding="utf-8"))
    return {
        "command": sweep["command"],
        "date": started.date().isoformat(),
        "wall_s_first_start_to_last_end": (ended - started).total_seconds(),
        "headline": comparison["headline"],
        "environment": {key: records[0].environment.get(key) for key in _ENVIRONMENT},
        "noise_floors": [floor for group in comparison["groups"] for floor in group["noise_floors"]],
        "runs": [_run(record) for record in records],
        "interleaved": measured,
    }


def _run(record: Record) -> dict[str, Any]:
    return {
        "arm": record.arm,
        "seed": record.seed,
        "status": record.status,
        "metrics": record.metrics,
        "phases_s": record.phases_s,
        "executed": (record.attestation or {}).get("executed"),
    }


if __name__ == "__main__":
    main()
