"""What the files of the published "SDPA vs Flash Attention" study of YOLOv12n say when they are laid side by side.

python -m benchmarks.null_experiment FOLDER benchmarks/results/null_experiment.json

FOLDER has the study's `results_spda.csv`, `results_flash_attn.csv` and `complete_session_results.json` (GitHub,
kennedy-kitoko/SDPA-vs-Flash-Attention-Scientific-Comparative-Study at bd24f3b, MIT licence).
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from sdpa_exp.compare.run_compare import compare_runs
from sdpa_exp.config.schema import CompareConfig


def main() -> None:
    """Read the folder, write the file, both from the command line."""
    content = summary(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def summary(folder: Path) -> dict[str, Any]:
    """Cells that differ, times and memory of both arms, and what our own comparison says of the two tables."""
    tables = [folder / "results_spda.csv", folder / "results_flash_attn.csv"]
    sdpa, flash = (list(csv.DictReader(table.open(encoding="utf-8"))) for table in tables)
    cells = [(row[name], other[name]) for row, other in zip(sdpa, flash, strict=True) for name in row if name != "time"]
    session = json.loads((folder / "complete_session_results.json").read_text(encoding="utf-8"))
    runs = {"sdpa": session["sdpa_experiment"], "flash": session["flash_experiment"]}
    with tempfile.TemporaryDirectory() as out:
        comparison = compare_runs(tables, baseline=None, config=CompareConfig(), out_dir=Path(out))
    return {
        "source": "kennedy-kitoko/SDPA-vs-Flash-Attention-Scientific-Comparative-Study at bd24f3b",
        "num_epochs": len(sdpa),
        "num_cells_besides_time": len(cells),
        "num_cells_that_differ": sum(a != b for a, b in cells),
        "training_s": {"sdpa": float(sdpa[-1]["time"]), "flash": float(flash[-1]["time"])},
        "training_s_relative_difference": float(sdpa[-1]["time"]) / float(flash[-1]["time"]) - 1,
        "whole_min": {arm: run["duration_minutes"] for arm, run in runs.items()},
        "whole_min_relative_difference": 1 - runs["flash"]["duration_minutes"] / runs["sdpa"]["duration_minutes"],
        "process_memory_mb": {arm: [run["memory_start_mb"], run["memory_end_mb"]] for arm, run in runs.items()},
        "memory_used_mb": {arm: run["memory_used_mb"] for arm, run in runs.items()},
        "memory_used_relative_difference": 1 - runs["flash"]["memory_used_mb"] / runs["sdpa"]["memory_used_mb"],
        "amp": {arm: run["config"]["amp"] for arm, run in runs.items()},
        "our_headline": comparison.headline,
        "our_findings": [finding.sentence for finding in comparison.findings],
    }


if __name__ == "__main__":
    main()
