"""What is found out and frozen once, before a sweep's first job.

The parent stays free of torch, so that it asks a process of its own: `python -m sdpa_exp.launch.before_sweep <folder>`
reads a list of plans and answers with the hardware resolved for each, the data sets made ready, each arm's kernel or
the reasons why it can't run, and groups of arms with the same kernel.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from sdpa_exp import errors
from sdpa_exp.config.baseline import resolve_baseline
from sdpa_exp.config.credentials import without_credentials
from sdpa_exp.config.plan import Plan, from_dict, to_dict
from sdpa_exp.config.schema import AUTO_BATCH, HardwareConfig
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import ConfigError, RunError, SdpaExpError
from sdpa_exp.launch.worker_setup import end_in_order, prepare_environment, switch_off_trackers
from sdpa_exp.runs.files import (
    PREFLIGHT_FILE,
    PREFLIGHT_LOG_FILE,
    PREFLIGHT_REQUEST_FILE,
    SWEEP_FILE,
    read_json,
    write_json_atomic,
)
from sdpa_exp.runs.sweep import IN_TURNS, Sweep, SweepJob, read_sweep, write_sweep

NODES = "nodes"
"""In what preflight found: the classes of nodes that it was asked on; missing where jobs run on this machine."""


def describe_sweep(plans: list[Plan], sweep_dir: Path, command: str, baseline: str | None) -> Sweep:
    """The sweep of these jobs; `preflight` is added when it is known."""
    return Sweep(
        folder=sweep_dir,
        name=plans[0].name if plans else sweep_dir.parent.name,
        command=command,
        arms=tuple(dict.fromkeys(plan.arm for plan in plans)),
        seeds=tuple(dict.fromkeys(plan.seed for plan in plans)),
        baseline=baseline,
        copies={plan.arm: plan.attention.copy_of for plan in plans if plan.attention.copy_of is not None},
        jobs=tuple(_job_of(plan) for plan in plans),
        order=IN_TURNS if plans else "",
        cwd=os.getcwd(),
        begun_at=datetime.now(UTC).isoformat(timespec="seconds"),
        max_seeds=plans[0].compare.max_seeds if plans else None,
    )


def with_keys(sweep: Sweep, plans: Sequence[Plan]) -> Sweep:
    """The sweep with the digest of each job's plan, as far as its hardware is resolved before the first job."""
    frozen = [dataclasses.replace(plan, hardware=frozen_hardware(sweep, plan.hardware)) for plan in plans]
    jobs = tuple(
        dataclasses.replace(job, key=plan.key(), group_id=plan.group_id() if plan.hardware.batch else None)
        for job, plan in zip(sweep.jobs, frozen, strict=True)
    )
    return dataclasses.replace(sweep, jobs=jobs)


def register_job(sweep_dir: Path, plan: Plan) -> Sweep:
    """The sweep with this job in it; a sweeper that chooses as it goes can't say its jobs beforehand.

    Raises:
        ComparisonError: sweep.json can't be read.
    """
    with FileLock(sweep_dir / f"{SWEEP_FILE}.lock"):
        sweep = read_sweep(sweep_dir)
        if any(job.num == plan.job.num for job in sweep.jobs):
            return sweep
        arms = tuple(dict.fromkeys([*sweep.arms, plan.arm]))
        grown = dataclasses.replace(
            sweep,
            name=plan.name,
            arms=arms,
            seeds=tuple(dict.fromkeys([*sweep.seeds, plan.seed])),
            baseline=resolve_baseline(arms, plan.baseline if plan.baseline in arms else None),
            jobs=(*sweep.jobs, _trial_of(sweep, plan)),
        )
        write_sweep(grown)
        return grown


def _trial_of(sweep: Sweep, plan: Plan) -> SweepJob:
    """The job, titled by what is searched: arm and seed are those of every other trial."""
    params = sweep.search.get("trials", {}).get(str(plan.job.num), {})
    shown = (f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in params.items())
    job = _job_of(plan)
    return dataclasses.replace(job, title=f"trial {job.num}: {' '.join(shown)}") if params else job


def _job_of(plan: Plan) -> SweepJob:
    return SweepJob(num=plan.job.num, run_dir=plan.run_dir, arm=plan.arm, seed=plan.seed, title=plan.title)


def ask_preflight(plans: list[Plan], sweep_dir: Path) -> dict[str, Any]:
    """What the process of its own answers; hardware as asked, as resolved, and the reasons, each once.

    Raises:
        SdpaExpError: as the process raised it, or it gave no answer.
    """
    write_json_atomic(sweep_dir / PREFLIGHT_REQUEST_FILE, [to_dict(plan) for plan in plans])
    log_path = sweep_dir / PREFLIGHT_LOG_FILE
    with log_path.open("wb") as log:
        command = [sys.executable, "-m", "sdpa_exp.launch.before_sweep", str(sweep_dir)]
        environment = without_credentials(os.environ)
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False)
    answer = read_json(sweep_dir / PREFLIGHT_FILE)
    if answer is None:
        raise RunError(f"the preflight process ended with exit code {done.returncode}; its log: {log_path}")
    if answer["error"] is not None:
        raise getattr(errors, answer["error"]["class"])(answer["error"]["message"])
    entries: list[dict[str, Any]] = []
    for plan, resolved, reasons in zip(plans, answer["hardware"], answer.pop("hardware_reasons"), strict=True):
        entry = {"asked": to_dict(plan)["hardware"], "resolved": resolved, "reasons": reasons}
        if entry not in entries:
            entries.append(entry)
    (sweep_dir / PREFLIGHT_REQUEST_FILE).unlink()
    (sweep_dir / PREFLIGHT_FILE).unlink()
    return {**answer, "hardware": entries}


def lasting(preflight: dict[str, Any]) -> dict[str, Any]:
    """The part of an answer that sweep.json keeps; the records of the runs have the rest."""
    return {key: value for key, value in preflight.items() if key not in ("environment", "data_sets")}


def frozen_hardware(sweep: Sweep, asked: HardwareConfig, node: str | None = None) -> HardwareConfig:
    """What `asked` was resolved to at the start of the sweep; `asked` itself where preflight did not see it.

    Raises:
        ConfigError: each job would measure a batch of its own.
    """
    known = known_hardware(sweep, asked, node)
    if known is None and asked.batch == AUTO_BATCH and NODES not in sweep.preflight:
        raise ConfigError(
            "hardware.batch=auto is measured before a sweep, once for all arms, and this sweeper chooses its jobs as "
            "it goes: expected a number or null. Set hardware.batch=8."
        )
    return known or asked


def known_hardware(sweep: Sweep, asked: HardwareConfig, node: str | None = None) -> HardwareConfig | None:
    """What `asked` was resolved to, if it was: for the whole sweep, or on the nodes of a class (see on_node.py)."""
    entries = [each for each in sweep.preflight.get("hardware", []) if each.get("node") in (None, node)]
    found = (entry["resolved"] for entry in entries if entry["asked"] == dataclasses.asdict(asked))
    return next((HardwareConfig(**resolved) for resolved in found), None)


def refusal_of(sweep: Sweep, plan: Plan) -> str | None:
    """The sentence that says why this plan's arm can't run here; None when it can, or was not looked at."""
    for entry in sweep.preflight.get("arms", []):
        if entry["arm"] == plan.arm and entry["group_id"] == plan.group_id():
            return entry["sentence"]  # type: ignore[no-any-return]
    return None


def main() -> int:
    """Answer the request in the folder given on the command line."""
    sweep_dir = Path(sys.argv[1])
    request = json.loads((sweep_dir / PREFLIGHT_REQUEST_FILE).read_text(encoding="utf-8"))
    plans = [from_dict(content) for content in request]
    end_in_order()
    prepare_environment(plans[0])
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    try:
        answer = _look(plans)
    except SdpaExpError as error:
        answer = {"error": {"class": type(error).__name__, "message": str(error)}}
    write_json_atomic(sweep_dir / PREFLIGHT_FILE, answer)
    return 0


def _look(plans: list[Plan]) -> dict[str, Any]:
    from sdpa_exp.data.prepare import prepare
    from sdpa_exp.runs.environment import collect_environment
    from sdpa_exp.tasks.preflight import check_arm, check_weights, disk_warning, same_kernel
    from sdpa_exp.tasks.preflight import to_dict as check_to_dict
    from sdpa_exp.tasks.several_devices import require_val_images
    from sdpa_exp.tasks.sweep_hardware import choose_for_sweep

    switch_off_trackers()
    chosen = choose_for_sweep(plans)
    resolved = [dataclasses.replace(plan, hardware=each.hardware) for plan, each in zip(plans, chosen, strict=True)]
    warnings: dict[str, None] = {}
    data_sets, num_classes = [], {}
    wanted = {
        (json.dumps(asked := [dataclasses.asdict(p.dataset), p.train.split]), p.purpose.name): (asked, p) for p in plans
    }
    for (_, purpose), (asked, plan) in wanted.items():
        prepared = prepare(plan.dataset, split=plan.train.split, purpose=plan.purpose)
        require_val_images(plan.hardware, prepared.num_val_images)
        num_classes[json.dumps([asked[0], purpose])] = len(prepared.class_names)
        warnings.update(dict.fromkeys(f"data set: {each}" for each in prepared.warnings))
        data_sets.append({"asked": asked, "digest": prepared.digest})
    for plan in {(plan.model.architecture, plan.model.weights): plan for plan in plans}.values():
        check_weights(plan, num_classes[json.dumps([dataclasses.asdict(plan.dataset), plan.purpose.name])])
    checks: dict[tuple[str, str], Any] = {}
    groups: dict[str, list[Any]] = {}
    for plan in resolved:
        key = (plan.group_id(), plan.arm)
        if key not in checks:
            checks[key] = check_arm(plan)
            groups.setdefault(plan.group_id(), []).append(checks[key])
            warnings.update({advice: None} if (advice := checks[key].advice()) else {})
    trained = [checks[plan.group_id(), plan.arm].num_weights for plan in resolved if load_task(plan).trains]
    if (no_room := disk_warning(trained, resolved[0].run_dir.parent)) is not None:
        warnings[no_room] = None
    return {
        "error": None,
        "hardware": [dataclasses.asdict(plan.hardware) for plan in resolved],
        "hardware_reasons": [each.reasons for each in chosen],
        "arms": [{"group_id": group, **check_to_dict(check)} for (group, _), check in checks.items()],
        "same_kernel": [
            {"group_id": group, "arms": arms} for group, found in groups.items() for arms in same_kernel(found)
        ],
        "warnings": list(warnings),
        "data_sets": data_sets,
        "environment": collect_environment(resolved[0].hardware.device),
    }


if __name__ == "__main__":
    sys.exit(main())
