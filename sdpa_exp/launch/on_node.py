"""Jobs that run elsewhere, as under Slurm: what preflight finds is found in the first job of each class of node.

The command may be typed on a login node that has another processor and no GPU, so that it says nothing of the nodes.
What their class is resolved to is frozen for all jobs on nodes of that class, in sweep.json.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from sdpa_exp.config.launchers import Launcher
from sdpa_exp.config.plan import Plan, from_dict, to_dict
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import RunError
from sdpa_exp.launch.before_sweep import NODES, ask_preflight, lasting
from sdpa_exp.launch.cuda_devices import visible_gpus
from sdpa_exp.runs.environment import cpu_name, software_and_host
from sdpa_exp.runs.files import PLANS_FILE, SWEEP_FILE, write_json_atomic
from sdpa_exp.runs.limits import usable_cores
from sdpa_exp.runs.sweep import Sweep, read_sweep, write_sweep
from sdpa_exp.tracking.tracker import database_of

_SOFTWARE = ("python", "versions", "code")
_STORE_IS_MADE_S = 90.0  # MLflow takes some 10 s for a new file
_ON_SHARED = "expected a folder on a disk that all nodes share. Type the command in one"
RESULTS_GO_THERE = f"to which jobs write their results: {_ON_SHARED}, or name one with hydra.sweep.dir=NAME"
_STORE = (
    "the tracking store: expected one that all nodes reach. Set tracking=server, or tracking.uri=sqlite:///FILE on a "
    "disk that they share, or tracking=none and afterwards task=sync"
)


def left_to_nodes(plans: Sequence[Plan], sweep_dir: Path) -> dict[str, Any]:
    """Leave the plans for the first job of each class of node; returns what sweep.json holds in place of an answer."""
    write_json_atomic(sweep_dir / PLANS_FILE, [to_dict(plan) for plan in plans])
    return {NODES: [], "software": software_here(), "hardware": [], "arms": [], "same_kernel": [], "warnings": []}


def look_before_jobs(plans: Sequence[Plan], sweep_dir: Path, launcher: Launcher) -> dict[str, Any]:
    """What preflight finds for the plans that have an arm; nothing where none has one.

    Where jobs run elsewhere, it is left to the first of them.
    """
    with_arms = [plan for plan in plans if load_task(plan).needs_arm]
    if not with_arms:
        return {}
    return ask_preflight(with_arms, sweep_dir) if launcher.is_here else left_to_nodes(with_arms, sweep_dir)


def software_here() -> dict[str, Any]:
    """What a node has to have, too."""
    here = software_and_host()
    return {key: here[key] for key in _SOFTWARE}


def require_same_software(driver: dict[str, Any]) -> None:
    """Refuse this node where it differs from the machine where the command was typed.

    Args:
        driver: `software_here` there.

    Raises:
        RunError: names all that differs.
    """
    here = software_here()
    wanted = {"Python": driver["python"], **driver["versions"], "the code of sdpa_exp": driver["code"]}
    found = {"Python": here["python"], **here["versions"], "the code of sdpa_exp": here["code"]}
    other = [f"{name} {found[name]} in place of {wanted[name]}" for name in wanted if found.get(name) != wanted[name]]
    if other:
        raise RunError(
            f"node {platform.node()} has {' and '.join(other)}: expected what the machine has where the command was "
            "typed, since runs with other versions don't compare. Let all nodes use one environment on the shared disk."
        )


def needed_on_nodes(tracking: TrackingConfig, sweep_dir: Path) -> dict[str, str]:
    """What nodes have to share with this machine: path -> what it is, and what to do where a node does not see it."""
    places = {
        os.getcwd(): f"where the command was typed, and paths start: {_ON_SHARED}",
        sys.executable: "which runs the jobs: expected one environment on a disk that all nodes share",
        str(sweep_dir): RESULTS_GO_THERE,
    }
    database = database_of(tracking)
    if database is not None:
        database.parent.mkdir(parents=True, exist_ok=True)
        places[str(database if database.exists() else database.parent)] = _STORE
    return places


def require_store(tracking: TrackingConfig, sweep_dir: Path) -> None:
    """Refuse a job on a node that would make a tracking store of its own: the driver has made it, or is making it.

    Raises:
        RunError: the file of the local store is not there.
    """
    database = database_of(tracking)
    if database is None or sweep_dir.is_relative_to(database.parent):  # one disk for both
        return
    deadline_s = time.monotonic() + _STORE_IS_MADE_S
    while not database.exists():
        if time.monotonic() > deadline_s:
            raise RunError(f"node {platform.node()} does not see {database}, {_STORE}.")
        time.sleep(1)


def node_class() -> str:
    """What makes nodes equal for a run: the GPUs that it sees, else the processor; and the cores that it may use."""
    gpus = visible_gpus()
    names = [gpu.name for gpu in gpus] if gpus else [str(cpu_name())]
    return f"{' and '.join(names)}, {usable_cores()} cores"


def look_at_node(sweep: Sweep, tracking: TrackingConfig) -> Sweep:
    """The sweep with what preflight found on nodes such as this one; as it is, where all was found out beforehand.

    Raises:
        RunError: this node has another Python, library or code than the machine where the command was typed, or does
            not see the tracking store.
        SdpaExpError: the sweep can't be run on this node, as one that has not the data set.
    """
    if NODES not in sweep.preflight:
        return sweep
    require_same_software(sweep.preflight["software"])
    require_store(tracking, sweep.folder)
    node = node_class()
    with FileLock(sweep.folder / f"{PLANS_FILE}.lock"):
        sweep = read_sweep(sweep.folder)
        if node in sweep.preflight[NODES]:
            return sweep
        plans = [from_dict(each) for each in json.loads((sweep.folder / PLANS_FILE).read_text(encoding="utf-8"))]
        found = lasting(ask_preflight(plans, sweep.folder))
        with FileLock(sweep.folder / f"{SWEEP_FILE}.lock"):
            sweep = read_sweep(sweep.folder)
            sweep = dataclasses.replace(sweep, preflight=_merged(sweep.preflight, found, node))
            write_sweep(sweep)
    return sweep


def _merged(known: dict[str, Any], found: dict[str, Any], node: str) -> dict[str, Any]:
    hardware = [{**entry, "node": node} for entry in found["hardware"]]
    seen = [(entry["asked"], entry.get("node")) for entry in known["hardware"]]  # of a sweep that was resumed
    hardware = [
        entry for entry in hardware if (entry["asked"], node) not in seen and (entry["asked"], None) not in seen
    ]
    merged = {**known, NODES: [*known[NODES], node], "hardware": [*known["hardware"], *hardware]}
    for key in ("arms", "same_kernel", "warnings"):
        merged[key] = [*known[key], *(entry for entry in found[key] if entry not in known[key])]
    return merged
