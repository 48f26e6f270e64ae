"""Builders that write run, sweep and plain Ultralytics folders in the real formats."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from sdpa_exp.config.plan import Plan, write_plan
from sdpa_exp.config.schema import (
    CompareConfig,
    PrimaryMetric,
    SyntheticDataset,
    TrackingConfig,
    YoloDirDataset,
)
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.record import Status, write_record
from tests.runs.folders import attestation_of, plan_for, record_for
from tests.runs.folders import write_sweep as write_sweep_file

if TYPE_CHECKING:
    from pathlib import Path

KERNELS = {"stock": "explicit softmax (stock)", "eager": "explicit softmax (eager)", "sdpa": "flash", "flash": "flash"}
STAGES = ("train_forward", "train_backward", "val_forward", "best_pt_forward")


@dataclass(kw_only=True)
class RunSpec:
    """One run to write. What is None comes from the arm and the seed."""

    arm: str = "stock"
    seed: int = 0
    copy_of: str | None = None
    batch: int = 16
    labels: dict[str, Any] = field(default_factory=dict)  # "hardware.name" -> value, in the plan
    data_path: str | None = None  # a folder of the user's in place of the synthetic field
    status: Status = "FINISHED"
    reason: str | None = None
    metrics: dict[str, float | None] | None = None
    unmeasured: dict[str, str] = field(default_factory=dict)
    curve: list[float] | None = None  # mAP50-95 by epoch
    kernel: str | None = None
    digests: dict[str, str] | None = None
    settings_changed: dict[str, list[Any]] = field(default_factory=dict)
    warnings: list[dict[str, str]] = field(default_factory=list)
    telemetry: dict[str, Any] | None = None
    prices: dict[str, Any] | None = None
    environment: dict[str, Any] = field(default_factory=lambda: {"versions": {"torch": "2.15.0"}})
    attestation_ok: bool = True
    started_at: str = ""
    ended_at: str = ""
    has_result: bool = True
    has_folder: bool = True


def make_plan(spec: RunSpec, folder: Path) -> Plan:
    """A valid plan."""
    primary = {
        "accuracy": PrimaryMetric(metric="mAP50-95", margin=0.005, margin_kind="absolute"),
        "speed": PrimaryMetric(metric="train_s", margin=0.02, margin_kind="relative"),
        "memory": PrimaryMetric(metric="peak_memory_mib", margin=0.02, margin_kind="relative"),
    }
    plan = plan_for(folder, arm=spec.arm, seed=spec.seed, copy_of=spec.copy_of)
    plan = replace(
        plan,
        name="field",
        baseline=None,
        dataset=SyntheticDataset(name="synthetic", num_train_images=64, num_val_images=32, image_px=160),
        hardware=replace(plan.hardware, batch=spec.batch, workers=0),
        train=replace(plan.train, epochs=4),
        tracking=TrackingConfig(name="none", kind="none"),
        compare=CompareConfig(primary=primary),
    )
    if spec.data_path is not None:
        plan = replace(plan, dataset=YoloDirDataset(name="mine", path=spec.data_path))
    for name, value in spec.labels.items():
        block, _, key = name.partition(".")
        plan = replace(plan, **{block: replace(getattr(plan, block), **{key: value})})
    return plan


def default_metrics(arm: str, seed: int) -> dict[str, float | None]:
    """Figures that vary with seed and, in speed and memory, with the arm."""
    rng = np.random.default_rng([seed, sum(map(ord, arm))])
    speed = {"stock": 60.0, "eager": 58.0}.get(arm, 52.0)
    accuracy = float(np.random.default_rng(seed).normal(0.5, 0.02) + rng.normal(0, 0.004))
    train_s = float(speed + rng.normal(0, 0.3))
    return {
        "mAP50": accuracy + 0.25,
        "mAP50-95": accuracy,
        "train_s": train_s,
        "images_per_s": 192 / train_s,
        "peak_memory_mib": {"stock": 900.0}.get(arm, 810.0) + float(rng.normal(0, 2)),
        "total_s": train_s + 20,
    }


def write_run(folder: Path, spec: RunSpec) -> Path:
    """Write one run folder: plan.yaml, events.jsonl, result.json."""
    if not spec.has_folder:
        return folder
    plan = make_plan(spec, folder)
    write_plan(plan)
    rng = np.random.default_rng([spec.seed, sum(map(ord, spec.arm)), 7])
    curve = spec.curve or [float(x) for x in np.linspace(0.1, 0.5, 4) + rng.normal(0, 0.01, 4)]
    event_log = EventLog(folder)
    event_log.write("run_started", plan_group_id=plan.group_id())
    for epoch, value in enumerate(curve, start=1):
        of_epoch = {"mAP50": value + 0.2, "mAP50-95": value, "train/box_loss": 2 - value, "lr/pg0": 0.01}
        event_log.write(
            "epoch", epoch=epoch, epochs=len(curve), metrics=of_epoch, train_s=float(rng.normal(13)), val_s=2.0
        )
    event_log.close()
    if not spec.has_result:
        return folder
    backend = spec.copy_of or spec.arm
    kernel = spec.kernel or KERNELS.get(backend, backend)
    mismatches = [] if spec.attestation_ok else [f"train_forward: asked for {spec.arm}, saw {kernel}"]
    metrics = default_metrics(spec.arm, spec.seed) if spec.metrics is None else spec.metrics
    write_record(
        folder,
        record_for(
            plan,
            status=spec.status,
            started_at=spec.started_at,
            ended_at=spec.ended_at,
            reason=spec.reason,
            metrics=metrics if spec.status == "FINISHED" else {},
            unmeasured=spec.unmeasured,
            phases_s={"setup": 3.0, "warmup": 15.0, "train": 45.0, "validation": 8.0, "final_eval": 2.0},
            attestation=attestation_of(plan, {stage: {kernel: 8} for stage in STAGES}, *mismatches),
            digests=spec.digests
            or {
                "data_stream": f"stream{spec.seed}",
                "initial_weights": f"init{spec.seed}" + ("moved" if spec.copy_of else ""),
                "final_weights": f"final-{spec.arm}-{spec.seed}",
                "data_set": "field",
            },
            environment=spec.environment,
            settings_changed=spec.settings_changed,
            warnings=spec.warnings,
            telemetry=spec.telemetry,
            prices=spec.prices,
        ),
    )
    return folder


def write_sweep(
    sweep_dir: Path, specs: list[RunSpec], *, baseline: str = "stock", arms: list[str] | None = None
) -> Path:
    """Write a sweep folder whose jobs are the runs, in the order given."""
    folders = write_sweep_file(
        sweep_dir,
        [(spec.arm, spec.seed) for spec in specs],
        names="{num}",
        name="field",
        baseline=baseline,
        arms=tuple(arms or dict.fromkeys(spec.arm for spec in specs)),
        copies={spec.arm: spec.copy_of for spec in specs if spec.copy_of is not None},
    )
    for folder, spec in zip(folders, specs, strict=True):
        write_run(folder, spec)
    return sweep_dir


def crossed(arms: list[str], seeds: list[int], **common: Any) -> list[RunSpec]:
    """All arms at all seeds, seeds outermost."""
    return [RunSpec(arm=arm, seed=seed, **common) for seed in seeds for arm in arms]


def turning(arms: list[str], seeds: list[int], **common: Any) -> list[RunSpec]:
    """The same with the arms turned round at every other seed, as a sweep runs them."""
    turns = [(seed, arms[::-1] if turn % 2 else arms) for turn, seed in enumerate(seeds)]
    return [RunSpec(arm=arm, seed=seed, **common) for seed, ordered in turns for arm in ordered]


CSV_HEADER = (
    "epoch,time,train/box_loss,metrics/precision(B),metrics/recall(B),metrics/mAP50(B),metrics/mAP50-95(B),lr/pg0"
)


def write_plain(folder: Path, *, curve: list[float], seconds: float = 10.0, args: dict[str, Any] | None = None) -> Path:
    """Write results.csv as Ultralytics prints it, and args.yaml unless `args` is an empty dict."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [CSV_HEADER]
    for index, value in enumerate(curve):
        row = (index + 1, seconds * (index + 1), 2 - value, 0.8, 0.7, value + 0.2, value, 0.01)
        lines.append(",".join(f"{number:.6g}" for number in row))
    (folder / "results.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if args != {}:
        settings = {"model": "yolo12n.pt", "data": "field.yaml", "epochs": len(curve), "batch": 8, "seed": 0}
        settings |= {"save_dir": str(folder), "name": folder.name, **(args or {})}
        (folder / "args.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder
