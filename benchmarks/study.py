"""What a large study costs: runs, hours, disk, and what MLflow takes; from measured figures per run; prints JSON.

    python -m benchmarks.study --seeds 10 --arms 12 --models n,s,m,l,x --machines 4 --json benchmarks/results/study.json

Hours are those of a run times the number of runs; `--run-hours` is yours, from one run of your own. Per run: bytes and
requests as measured at a server (tracking_server_postgresql.json), checkpoints by counting weights (2 bytes each, in
best.pt and in last.pt; best.pt goes to MLflow, too). Nothing is run here.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_WEIGHT_BYTES = 2  # Ultralytics keeps them in half precision
_HOUR_S = 3600


def main() -> None:
    """Reckon, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--arms", type=int, default=12)
    parser.add_argument("--models", default="n,s,m,l,x", help="sizes of YOLO12")
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--run-hours", type=float, help="of one run on one machine; without it the demo's run on a CPU")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    text = json.dumps(study(options), indent=2)
    print(text)
    if options.json:
        options.json.write_text(f"{text}\n", encoding="utf-8")


def study(options: argparse.Namespace) -> dict[str, Any]:
    """The study's figures; `of_a_run` are what they rest on."""
    server, demo = (_read(name) for name in ("tracking_server_postgresql", "demo_cpu"))
    models = options.models.split(",")
    weights = [count_weights(f"yolo12{size}.yaml") for size in models]
    checkpoint = _WEIGHT_BYTES * sum(weights) / len(weights)
    run_s = [run["metrics"]["total_s"] for run in demo["runs"]]
    num_served = server["num_runs"]
    of_a_run = {
        "hours": options.run_hours or sum(run_s) / len(run_s) / _HOUR_S,
        "hours_source": "--run-hours" if options.run_hours else "demo_cpu.json: 5 epochs of yolo12n at 160 px on a CPU",
        "checkpoint_mib": checkpoint / 2**20,
        "server_requests": server["sending"]["num_requests"] / num_served,
        "server_points": server["sending"]["num_epoch_points"] / num_served,
        "database_mib": server["database"]["bytes_per_run"] / 2**20,
        "sending_s": server["sending"]["wall_s"] / num_served,
    }
    num_runs = options.seeds * options.arms * len(models) * options.machines
    return {
        "benchmark": "study",
        "asked": {key: value for key, value in vars(options).items() if key not in ("json", "run_hours")},
        "epochs": server["epochs"],
        "weights": dict(zip(models, weights, strict=True)),
        "of_a_run": of_a_run,
        "runs": num_runs,
        "runs_a_machine": num_runs // options.machines,
        "hours": num_runs * of_a_run["hours"],
        "hours_a_machine": num_runs * of_a_run["hours"] / options.machines,
        "run_folders_gib": num_runs * 2 * checkpoint / 2**30,
        "artifacts_gib": num_runs * checkpoint / 2**30,
        "server_requests": num_runs * of_a_run["server_requests"],
        "server_points": num_runs * of_a_run["server_points"],
        "database_gib": num_runs * of_a_run["database_mib"] / 2**10,
        "sending_hours": num_runs * of_a_run["sending_s"] / _HOUR_S,
    }


def count_weights(architecture: str) -> int:
    """The parameters of one of Ultralytics' architectures."""
    from ultralytics.nn.tasks import DetectionModel

    return sum(parameter.numel() for parameter in DetectionModel(architecture, verbose=False).parameters())


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


if __name__ == "__main__":
    main()
