"""Runs the real entry with a launch layer that trains nothing and prints how it was called, one JSON line per call.

Used as `python -m tests.recorded_entry ...`. RECORDED_LAUNCH names what the layer does beyond that.
"""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import TrackingError

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


def begin_sweep(plans: list[Plan], sweep_dir: Path, command: str) -> None:
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


def end_sweep(sweep_dir: Path) -> int:
    say("end_sweep", sweep_dir=str(sweep_dir))
    return SWEEP_EXIT_CODE


if __name__ == "__main__":
    package, layer = types.ModuleType("sdpa_exp.launch"), types.ModuleType("sdpa_exp.launch.launch")
    for function in (run_single, begin_sweep, run_job, end_sweep):
        setattr(layer, function.__name__, function)
    package.launch = layer  # type: ignore[attr-defined]
    sys.modules |= {"sdpa_exp.launch": package, "sdpa_exp.launch.launch": layer}

    from sdpa_exp.__main__ import main

    sys.exit(main())
