"""`sweep.json`: what a sweep is made of, written before its first job starts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sdpa_exp.config.plan import Plan, to_dict
from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import RunError
from sdpa_exp.runs.files import write_json_atomic

SWEEP_FILE = "sweep.json"
SCHEMA_VERSION = 1


def describe_sweep(plans: list[Plan], sweep_dir: Path, command: str, baseline: str | None) -> dict[str, Any]:
    """The sweep as plain values; `preflight` is added when it is known."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": plans[0].name if plans else sweep_dir.parent.name,
        "command": command,
        "arms": list(dict.fromkeys(plan.arm for plan in plans)),
        "seeds": list(dict.fromkeys(plan.seed for plan in plans)),
        "baseline": baseline,
        "copies": {plan.arm: plan.attention.copy_of for plan in plans if plan.attention.copy_of is not None},
        "jobs": [
            {
                "num": plan.job.num,
                "run_dir": str(plan.run_dir),
                "arm": plan.arm,
                "seed": plan.seed,
                "title": plan.title,
            }
            for plan in plans
        ],
        "preflight": {},
    }


def write_sweep(sweep_dir: Path, sweep: dict[str, Any]) -> None:
    """Write `sweep.json` atomically."""
    write_json_atomic(sweep_dir / SWEEP_FILE, sweep)


def read_sweep(sweep_dir: Path) -> dict[str, Any]:
    """Read `sweep.json`.

    Raises:
        RunError: it is missing or not JSON.
    """
    path = sweep_dir / SWEEP_FILE
    try:
        return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} can't be read ({error}); expected the folder of a sweep that sdpa_exp began."
        ) from error


def frozen_hardware(sweep: dict[str, Any], asked: HardwareConfig) -> HardwareConfig:
    """What `asked` was resolved to at the start of the sweep; `asked` itself where preflight did not see it."""
    for entry in sweep["preflight"].get("hardware", []):
        if entry["asked"] == asdict(asked):
            return HardwareConfig(**entry["resolved"])
    return asked


def refusal_of(sweep: dict[str, Any], plan: Plan) -> str | None:
    """The sentence that says why this plan's arm can't run here; None when it can, or was not looked at."""
    for entry in sweep["preflight"].get("arms", []):
        if entry["arm"] == plan.arm and entry["group_id"] == plan.group_id():
            return entry["sentence"]  # type: ignore[no-any-return]
    return None


def hardware_entries(plans: list[Plan], resolved: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pairs of asked and resolved hardware, each once."""
    entries: list[dict[str, Any]] = []
    for plan, answer in zip(plans, resolved, strict=True):
        entry = {"asked": to_dict(plan)["hardware"], "resolved": answer}
        if entry not in entries:
            entries.append(entry)
    return entries
