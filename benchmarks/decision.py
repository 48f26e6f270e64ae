"""Writes the decision table from committed benchmarks: which backend for which device, dtype, N and head_dim.

    python -m benchmarks.decision

reads benchmarks/results/bench_*.json (kept copies of the bench.json of task=bench) and writes
benchmarks/results/decision.md, where every row names its file and case.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sdpa_exp.tasks.bench.decide import decide, render_decisions

RESULTS = Path(__file__).parent / "results"
DECISION = RESULTS / "decision.md"


def main() -> None:
    """Read, decide, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--margin", type=float, default=0.02)
    options = parser.parse_args()
    DECISION.write_text(table(options.margin), encoding="utf-8")
    print(f"{DECISION}: from {', '.join(path.name for path in sources())}")


def table(margin: float) -> str:
    """The table as Markdown."""
    decisions = [
        decision
        for path in sources()
        for decision in decide(json.loads(path.read_text(encoding="utf-8")), source=path.name, margin=margin)
    ]
    return render_decisions(decisions, margin=margin)


def sources() -> list[Path]:
    """The committed benchmarks, by name."""
    return sorted(RESULTS.glob("bench_*.json"))


if __name__ == "__main__":
    main()
