"""What a machine measures, in one file for the results gallery: benchmarks, inference, and a sweep of trainings.

    python -m benchmarks.machine my_box

takes about a quarter of an hour on two cores and writes benchmarks/results/machines/my_box.json: commit that file, and
`python -m pages --write` puts it into docs/results.md. Have nothing else run meanwhile. `--quick` only shows that all
parts work; `--out` writes elsewhere. A part that fails leaves its reason in the file, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.keep_sweep import kept_sweep
from sdpa_exp.errors import SdpaExpError

MACHINES = Path(__file__).parent / "results" / "machines"
BENCH = "python -m sdpa_exp task=bench bench.levels=[step,inference,module,op] bench.time_limit_s=200"
PREDICT = "python -m benchmarks.latency --models yolo12n"
SWEEP = "python -m sdpa_exp attention=stock,sdpa seed=0,42 -m"
_QUICK = {
    BENCH: " bench.arms=[stock,sdpa] bench.levels=[module] bench.imgsz=[64] bench.time_limit_s=30",
    PREDICT: " --imgsz 64 --batches 1 --time-limit-s 1",
    SWEEP: " experiment=smoke hardware=cpu train.imgsz=64 compare.speed=trainings",
}
_NOT_KEPT = frozenset({"seconds", "orders", "warm_up", "kernels", "memory"})


def main() -> int:
    """Measure and write; the exit code says whether a part failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the file: letters, digits and underscores")
    parser.add_argument(
        "--quick", action="store_true", help="a rehearsal on a CPU: every part, no figures worth keeping"
    )
    parser.add_argument("--out", type=Path, default=MACHINES)
    options = parser.parse_args()
    content = measure(is_quick=options.quick)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"{options.name}.json"
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    failed = [part for part in ("bench", "predict", "sweep") if "failed" in content[part]]
    print(f"{file}{': ' if failed else ''}{', '.join(f'{part} failed' for part in failed)}")
    return 1 if failed else 0


def measure(*, is_quick: bool) -> dict[str, Any]:
    """All parts, one after the other, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="sdpa_exp_machine_") as folder:
        top = Path(folder)
        return {
            "schema_version": 1,
            "date": datetime.now(UTC).date().isoformat(),
            "is_quick": is_quick,
            "bench": _part(BENCH, f"hydra.run.dir={top / 'bench'}", lambda: _bench(top / "bench"), is_quick),
            "predict": _part(PREDICT, f"--json {top / 'latency.json'}", lambda: _read(top / "latency.json"), is_quick),
            "sweep": _part(SWEEP, f"hydra.sweep.dir={top / 'sweep'}", lambda: kept_sweep(top / "sweep"), is_quick),
        }


def _part(command: str, place: str, read: Callable[[], dict[str, Any]], is_quick: bool) -> dict[str, Any]:
    """Run a command, and read what it left; the command is kept as anyone may type it."""
    typed = f"{command}{_QUICK[command] if is_quick else ''}"
    words = f"{typed} {place} {'' if command == PREDICT else 'tracking=none'}".split()
    environment = {**os.environ, "COLUMNS": "120"}
    code = subprocess.run([sys.executable, *words[1:]], check=False, env=environment).returncode
    try:
        return {**read(), "command": typed}
    except (OSError, ValueError, LookupError, SdpaExpError) as error:
        return {"command": typed, "failed": f"exit code {code}; {type(error).__name__}: {error}"}


def _bench(run_dir: Path) -> dict[str, Any]:
    """bench.json without single samples."""
    content = _read(run_dir / "bench.json")
    cases = []
    for case in content["cases"]:
        arms = {arm: {k: v for k, v in found.items() if k not in _NOT_KEPT} for arm, found in case["arms"].items()}
        cases.append({**{key: value for key, value in case.items() if key not in _NOT_KEPT}, "arms": arms})
    return {**{key: content[key] for key in ("machine", "settings", "dropped")}, "cases": cases}


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    sys.exit(main())
