"""Run and sweep folders as the worker and the parent write them, filled by hand. No figure in them was measured."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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
from sdpa_exp.runs import sweep as runs_sweep
from sdpa_exp.runs.files import EVENTS_FILE, TELEMETRY_FILE
from sdpa_exp.runs.record import Record, Status, write_record
from sdpa_exp.runs.sweep import Sweep, SweepJob

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_790_000_000.0
KERNELS = {"stock": "stock_softmax", "sdpa": "flash", "flash": "flash"}


def plan_for(run_dir: Path, *, arm: str = "flash", seed: int = 0, copy_of: str | None = None, **job: Any) -> Plan:
    return Plan(
        name="handmade",
        seed=seed,
        baseline="stock",
        model=ModelConfig(name="yolo12n", architecture="yolo12n.yaml"),
        dataset=SyntheticDataset(name="synthetic", num_train_images=64, num_val_images=16, image_px=160),
        attention=AttentionConfig(name=arm, backend=copy_of or arm, copy_of=copy_of),
        hardware=HardwareConfig(name="cpu", device="cpu", batch=8),
        train=TrainConfig(name="quick", epochs=3, imgsz=160),
        task=TaskConfig(name="train"),
        telemetry=TelemetryConfig(name="default"),
        tracking=TrackingConfig(name="local", kind="mlflow", uri="sqlite:///mlflow.db"),
        compare=CompareConfig(),
        job=Job(run_dir=str(run_dir), command="python -m sdpa_exp attention=stock,flash seed=0,1 -m", **job),
    )


def start_run(run_dir: Path, *, arm: str = "flash", seed: int = 0, **job: Any) -> Plan:
    """A run that has just begun: its plan and the first lines of its event log."""
    plan = plan_for(run_dir, arm=arm, seed=seed, **job)
    write_plan(plan)
    append_event(run_dir, "run_started", plan_group_id=plan.group_id())
    append_event(run_dir, "environment", environment=ENVIRONMENT)
    append_event(run_dir, "phase", name="setup", wall_s=2.5, memory={"peak_rss_mib": 600.0})
    append_samples(run_dir, 2)
    return plan


ENVIRONMENT = {
    "versions": {"python": "3.11.7", "torch": "2.15.0", "ultralytics": "8.4.190"},
    "device": "cpu",
    "git": {"commit": "0" * 40, "dirty": False},
}


def append_event(run_dir: Path, event: str, **values: Any) -> None:
    path = run_dir / EVENTS_FILE
    seq = len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
    line = {"seq": seq, "time_unix_s": T0 + 10 * seq, "mono_s": 10.0 * seq, "event": event, **values}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def append_epoch(run_dir: Path, epoch: int, *, epochs: int = 3, offset: float = 0.0) -> None:
    share = epoch / epochs
    metrics = {
        "train/box_loss": 3.0 - 1.5 * share + offset,
        "train/cls_loss": 4.0 - 2.5 * share,
        "train/dfl_loss": 2.0 - 0.5 * share,
        "val/box_loss": 3.1 - 1.4 * share,
        "precision": 0.3 + 0.4 * share,
        "recall": 0.2 + 0.5 * share,
        "mAP50": 0.8 * share - offset / 10,
        "mAP50-95": 0.5 * share - offset / 10,
        "lr/pg0": 0.01 * (1 - share),
    }
    append_event(run_dir, "epoch", epoch=epoch, epochs=epochs, metrics=metrics, train_s=20.0 + offset, val_s=3.0)


def append_samples(run_dir: Path, num: int) -> None:
    path = run_dir / TELEMETRY_FILE
    first = len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
    with path.open("a", encoding="utf-8") as file:
        for i in range(first, first + num):
            sample = {"time_unix_s": T0 + i, "mono_s": float(i), "cpu_percent": 150.0 + i % 7, "rss_mib": 900.0 + i}
            file.write(json.dumps({**sample, "gpu_power_w": None}) + "\n")


def end_run(run_dir: Path, plan: Plan, *, status: Status = "FINISHED", offset: float = 0.0, **values: Any) -> Record:
    """The result and the files of a run that has ended."""
    (run_dir / "train" / "weights").mkdir(parents=True, exist_ok=True)
    (run_dir / "train" / "results.csv").write_text("epoch,time\n1,20\n", encoding="utf-8")
    (run_dir / "train" / "weights" / "best.pt").write_bytes(b"not really weights")
    (run_dir / "train" / "results.png").write_bytes(PIXEL)
    (run_dir / "worker.log").write_text("epoch 1\n", encoding="utf-8")
    kernel = KERNELS[plan.arm]
    attestation = attestation_of(plan, {"train_forward": {kernel: 8}, "train_backward": {f"{kernel}_backward": 8}})
    (run_dir / "attestation.json").write_text(json.dumps(attestation), encoding="utf-8")
    record = record_for(
        plan,
        status=status,
        started_at=datetime.fromtimestamp(T0, UTC).isoformat(),
        ended_at=datetime.fromtimestamp(T0 + 100, UTC).isoformat(),
        phases_s={"setup": 2.5, "train": 40.0},
        memory={"train": {"peak_rss_mib": 900.0}},
        metrics={
            "mAP50": 0.8 - offset / 10,
            "mAP50-95": 0.5 - offset / 10,
            "train_s": 40.0 + offset,
            "images_per_s": 3.2,
            "peak_memory_mib": None,
        },
        unmeasured={"peak_memory_mib": "made by hand"},
        attestation=attestation,
        digests={"data_set": "d1" * 8},
        environment=ENVIRONMENT,
    )
    record = replace(record, **values)
    write_record(run_dir, record)
    return record


def attestation_of(plan: Plan, executed: dict[str, dict[str, int]], *mismatches: str) -> dict[str, Any]:
    return {
        "ok": not mismatches,
        "requested": plan.arm,
        "num_layers": 8,
        "executed": executed,
        "mismatches": list(mismatches),
    }


def record_for(plan: Plan, **values: Any) -> Record:
    """A record that agrees with the plan; `values` are the fields that a plan doesn't know."""
    return Record(
        arm=plan.arm,
        seed=plan.seed,
        group_id=plan.group_id(),
        name=plan.name,
        task=plan.task.name,
        copy_of=plan.attention.copy_of,
        **values,
    )


def whole_run(run_dir: Path, *, num_epochs: int = 3, offset: float = 0.0, **start: Any) -> Plan:
    plan = start_run(run_dir, **start)
    for epoch in range(1, num_epochs + 1):
        append_epoch(run_dir, epoch, epochs=num_epochs, offset=offset)
        append_samples(run_dir, 5)
    end_run(run_dir, plan, offset=offset)
    return plan


def write_sweep(
    sweep_dir: Path, jobs: list[tuple[str, int]], *, names: str = "{num}_{arm}_seed{seed}", **values: Any
) -> list[Path]:
    """`sweep.json`, and the run folders it names (not made); `values` are further fields of Sweep."""
    sweep_dir.mkdir(parents=True, exist_ok=True)
    made = tuple(
        SweepJob(
            num=num,
            run_dir=sweep_dir / names.format(num=num, arm=arm, seed=seed),
            arm=arm,
            seed=seed,
            title=f"{arm} seed {seed}",
        )
        for num, (arm, seed) in enumerate(jobs)
    )
    known = {
        "name": "handmade",
        "command": "python -m sdpa_exp attention=stock,flash seed=0,1 -m",
        "arms": tuple(dict.fromkeys(arm for arm, _ in jobs)),
        "seeds": tuple(dict.fromkeys(seed for _, seed in jobs)),
        "baseline": "stock",
    }
    runs_sweep.write_sweep(Sweep(folder=sweep_dir, jobs=made, **{**known, **values}))
    return [job.run_dir for job in made]


def write_comparison(sweep_dir: Path) -> None:
    content = {
        "schema_version": 1,
        "headline": "made by hand: flash is not compared with anything",
        "findings": [{"code": "same_kernel", "severity": "error", "sentence": "sdpa and flash ran the same kernel."}],
    }
    (sweep_dir / "comparison.json").write_text(json.dumps(content), encoding="utf-8")
    (sweep_dir / "report.html").write_text("<p>made by hand</p>", encoding="utf-8")


# A PNG of one pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fccff0bf1e00"
    "068403027a1cf1a90000000049454e44ae426082"
)
