"""How long a comparison takes and how much memory it needs, by number of runs; prints JSON.

Writes run folders in the real formats into a temporary folder (5 arms, 300 epochs a run), compares them in a fresh
process, and reports wall seconds and the peak resident set of that process. Imports are part of the time.

    python benchmarks/compare_scale.py [--runs 250,500,1000] [--epochs 300]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from sdpa_exp.config.plan import Job, Plan, write_plan
from sdpa_exp.config.schema import (
    AttentionConfig,
    CompareConfig,
    HardwareConfig,
    ModelConfig,
    SyntheticDataset,
    TaskConfig,
    TelemetryConfig,
    TrackingConfig,
)
from sdpa_exp.config.train_schema import TrainConfig
from sdpa_exp.runs.record import Record, write_record

ARMS = ("stock", "eager", "sdpa", "efficient", "math")
KERNELS = dict(
    zip(ARMS, ("explicit softmax (stock)", "explicit softmax (eager)", "flash", "efficient", "math"), strict=True)
)
_START_UNIX_S, _EPOCH_S = 1_790_000_000.0, 11.0  # one run after the other
METRICS = ("train/box_loss", "train/cls_loss", "train/dfl_loss", "precision", "recall", "mAP50", "mAP50-95",
           "val/box_loss", "val/cls_loss", "val/dfl_loss", "lr/pg0", "lr/pg1", "lr/pg2")  # fmt: skip


def main() -> None:
    """Measure every size and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", default="250,500,1000")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _measure(Path(arguments.child))
        return
    sizes = []
    for num_runs in map(int, arguments.runs.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            write_sweep(Path(folder), num_runs, arguments.epochs)
            command = [sys.executable, __file__, "--child", folder]
            child = subprocess.run(command, capture_output=True, text=True, check=True)
            sizes.append({"num_runs": num_runs, "epochs": arguments.epochs, **json.loads(child.stdout)})
    print(json.dumps({"benchmark": "compare_scale", "python": sys.version.split()[0], "sizes": sizes}, indent=2))


def _measure(sweep_dir: Path) -> None:
    """In the child: compare, and print what it took."""
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    from sdpa_exp.compare.run_compare import compare_sweep

    comparison = compare_sweep(sweep_dir)
    assert len(comparison.verdicts) == 3 * (len(ARMS) - 1)
    peak_rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB on Linux
    print(
        json.dumps(
            {
                "wall_s": round(time.perf_counter() - start_s, 2),
                "cpu_s": round(time.process_time() - start_cpu_s, 2),
                "peak_rss_mib": round(peak_rss_mib, 1),
                "report_mib": round((sweep_dir / "report.html").stat().st_size / 2**20, 2),
            }
        )
    )


def write_sweep(sweep_dir: Path, num_runs: int, epochs: int) -> None:
    """A sweep of `num_runs` finished runs, seeds outermost."""
    rng = np.random.default_rng(0)
    jobs = []
    for num in range(num_runs):
        arm, seed = ARMS[num % len(ARMS)], num // len(ARMS)
        _write_run(sweep_dir / str(num), arm, seed, epochs, rng, start_unix_s=_START_UNIX_S + num * epochs * _EPOCH_S)
        jobs.append({"num": num, "run_dir": str(num), "arm": arm, "seed": seed})
    content = {
        "schema_version": 1,
        "name": "scale",
        "command": "",
        "arms": list(ARMS),
        "baseline": "stock",
        "jobs": jobs,
    }
    (sweep_dir / "sweep.json").write_text(json.dumps(content), encoding="utf-8")


def _write_run(
    folder: Path, arm: str, seed: int, epochs: int, rng: np.random.Generator, *, start_unix_s: float
) -> None:
    plan = Plan(
        name="scale",
        seed=seed,
        baseline=None,
        model=ModelConfig(name="yolo12n", architecture="yolo12n.yaml"),
        dataset=SyntheticDataset(name="synthetic", num_train_images=256, num_val_images=64, image_px=160),
        attention=AttentionConfig(name=arm, backend=arm),
        hardware=HardwareConfig(name="cpu", device="cpu", batch=16),
        train=TrainConfig(name="quick", epochs=epochs),
        task=TaskConfig(name="train"),
        telemetry=TelemetryConfig(name="default"),
        tracking=TrackingConfig(name="none", kind="none"),
        compare=CompareConfig(),
        job=Job(run_dir=str(folder)),
    )
    write_plan(plan)
    table_EM = rng.random((epochs, len(METRICS)))
    with (folder / "events.jsonl").open("w", encoding="utf-8") as file:  # not through Event log: it syncs every line
        for epoch in range(epochs):
            metrics = dict(zip(METRICS, map(float, table_EM[epoch]), strict=True))
            time_s = (epoch + 1) * _EPOCH_S
            line = {"seq": epoch, "time_unix_s": start_unix_s + time_s, "mono_s": time_s, "event": "epoch"}
            line["epoch"] = epoch + 1
            file.write(json.dumps({**line, "epochs": epochs, "metrics": metrics, "train_s": 10.0, "val_s": 1.0}) + "\n")
    stages = ("train_forward", "train_backward", "val_forward", "best_pt_forward")
    executed = {stage: {KERNELS[arm]: 8} for stage in stages}
    record = Record(
        status="FINISHED",
        arm=arm,
        seed=seed,
        group_id=plan.group_id(),
        name="scale",
        task="train",
        started_at=datetime.fromtimestamp(start_unix_s, UTC).isoformat(),
        ended_at=datetime.fromtimestamp(start_unix_s + epochs * _EPOCH_S, UTC).isoformat(),
        metrics={
            "mAP50": float(rng.normal(0.8, 0.01)),
            "mAP50-95": float(rng.normal(0.5, 0.01)),
            "train_s": float(rng.normal(60, 1)),
            "images_per_s": float(rng.normal(4, 0.1)),
            "peak_memory_mib": float(rng.normal(900, 5)),
        },
        phases_s={"setup": 3.0, "warmup": 10.0, "train": 60.0, "validation": 9.0},
        attestation={"ok": True, "requested": arm, "num_layers": 8, "executed": executed, "mismatches": []},
        digests={"data_stream": f"s{seed}", "final_weights": f"w{arm}{seed}"},
        environment={"python": "3.11.7", "versions": {"torch": "2.15.0"}},
    )
    write_record(folder, record)


if __name__ == "__main__":
    main()
