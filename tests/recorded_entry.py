"""Runs the real entry with a launch layer that trains nothing and prints how it was called, one JSON line per call.

Used as `python -m tests.recorded_entry ...`. RECORDED_LAUNCH names what the layer does beyond that.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

from sdpa_exp.config.launchers import Launcher
from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import TrackingError
from sdpa_exp.runs.sweep import SweepJob, read_sweep, write_sweep

BEHAVIOUR = os.environ.get("RECORDED_LAUNCH", "")
SWEEP_EXIT_CODE = 6
SINGLE_EXIT_CODE = 4


def say(call: str, **values: Any) -> None:
    heavy = sorted({"torch", "ultralytics", "mlflow"} & set(sys.modules))
    print(json.dumps({"call": call, "heavy": heavy, **values}), flush=True)


def described(plan: Plan) -> dict[str, Any]:
    job = plan.job
    return {
        "arm": plan.arm,
        "seed": plan.seed,
        "imgsz": plan.train.imgsz,
        "run_dir": job.run_dir,
        "sweep_dir": job.sweep_dir,
        "num": job.num,
        "num_jobs": job.num_jobs,
        "command": job.command,
        "overrides": list(job.overrides),
    }


def run_single(plan: Plan) -> int:
    say("run_single", plan=described(plan))
    if BEHAVIOUR == "crash":
        raise RuntimeError("a bug in the run layer")
    if BEHAVIOUR == "interrupt":
        raise KeyboardInterrupt
    return SINGLE_EXIT_CODE


def begin_sweep(plans: list[Plan], sweep_dir: Path, command: str, launcher: Launcher) -> None:
    say("begin_sweep", plans=[described(plan) for plan in plans], sweep_dir=str(sweep_dir), command=command)
    if BEHAVIOUR == "refuse":
        raise TrackingError("The store is locked: expected a free one. Stop the other sweep.")
    if BEHAVIOUR == "crash_at_start":
        raise RuntimeError("a bug in begin_sweep")


def run_job(plan: Plan, num_objectives: int | None = None) -> float:
    say("run_job", plan=described(plan))
    if BEHAVIOUR == "interrupt":
        raise KeyboardInterrupt
    return 0.5


def end_sweep(sweep_dir: Path, *, broken_by: BaseException | None = None) -> int:
    say("end_sweep", sweep_dir=str(sweep_dir))
    return SWEEP_EXIT_CODE


def begin_again(
    matches: list[Any], sweep_dir: Path, command: str, launcher: Launcher, *, changed: str | None, mode: str
) -> None:
    """Keeps every job that was there."""
    say(
        "begin_again",
        plans=[described(match.plan) for match in matches],
        known=[match.before is not None for match in matches],
        command=command,
        changed=changed,
        mode=mode,
    )
    jobs = [
        SweepJob(
            num=num,
            run_dir=match.plan.run_dir,
            arm=match.plan.arm,
            seed=match.plan.seed,
            title="",
            is_kept=match.before is not None,
        )
        for num, match in enumerate(matches)
    ]
    write_sweep(dataclasses.replace(read_sweep(sweep_dir), jobs=tuple(jobs)))


def resume_single(plan: Plan, *, changed: str | None, mode: str) -> int:
    say("resume_single", plan=described(plan), changed=changed, mode=mode)
    return SINGLE_EXIT_CODE


def layer(name: str, *functions: Any) -> types.ModuleType:
    module = types.ModuleType(f"sdpa_exp.launch.{name}")
    for function in functions:
        setattr(module, function.__name__, function)
    return module


if __name__ == "__main__":
    package = types.ModuleType("sdpa_exp.launch")
    package.__path__ = [str(Path(__file__).parents[1] / "sdpa_exp" / "launch")]
    layers = [
        layer("launch", run_single, begin_sweep, run_job),
        layer("end_sweep", end_sweep),
        layer("resume", begin_again, resume_single),
    ]
    for each in layers:
        setattr(package, each.__name__.rpartition(".")[2], each)
    sys.modules |= {"sdpa_exp.launch": package, **{each.__name__: each for each in layers}}

    from sdpa_exp.__main__ import main

    sys.exit(main())
