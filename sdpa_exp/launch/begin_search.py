"""The beginning of a search, new or resumed: what is known before its first trial."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sdpa_exp.config.task import load_task
from sdpa_exp.errors import BackendUnavailable
from sdpa_exp.launch.announce import say, say_ignored_server, say_preflight, short
from sdpa_exp.launch.before_sweep import ask_preflight, describe_sweep, lasting
from sdpa_exp.launch.on_node import left_to_nodes
from sdpa_exp.launch.shared_tracker import checked_tracker
from sdpa_exp.runs.attempts import set_aside, why_unfinished
from sdpa_exp.runs.files import SWEEP_FILE
from sdpa_exp.runs.folder import WORKER_ENDS_S, own_folder, wait_for_worker
from sdpa_exp.runs.record import read_record_if_any
from sdpa_exp.runs.sweep import Sweep, read_sweep, write_sweep

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.config.launchers import Launcher
    from sdpa_exp.config.plan import Plan


def begin_search(plan: Plan, sweep_dir: Path, command: str, search: dict[str, Any], launcher: Launcher) -> None:
    """Look at the machine, and say what is coming; trials of a search that is there are kept, but what was cut off.

    Args:
        plan: of one setting, which stands for all.
        sweep_dir: the sweep's folder, which the caller owns.
        command: the command line.
        search: `Sweep.search`, without trials.
        launcher: of the sweep.

    Raises:
        SdpaExpError: the search can't be run, for a reason that concerns all of it.
    """
    console, tracker = Console(), checked_tracker(plan)
    say_ignored_server(console, plan)
    before = read_sweep(sweep_dir) if (sweep_dir / SWEEP_FILE).exists() else None
    look = ask_preflight if launcher.is_here else left_to_nodes
    preflight = look([plan], sweep_dir) if load_task(plan).needs_arm else {}
    refusal = next((arm["sentence"] for arm in preflight.get("arms", []) if arm["sentence"]), None)
    if refusal is not None:
        raise BackendUnavailable(refusal)
    sweep = before or dataclasses.replace(describe_sweep([], sweep_dir, command, None), name=plan.name)
    search = search | {"trials": sweep.search.get("trials", {})}
    write_sweep(dataclasses.replace(sweep, preflight=lasting(preflight), search=search))
    tracker.open_sweep(sweep_dir, again=before is not None)
    if before is not None:
        again = _set_aside_what_was_cut_off(before)
        _write_resumed(sweep_dir, command, num_kept=len(before.jobs) - len(again), num_repeated=len(again))
        for run_dir in again:
            tracker.mend(run_dir)
        say(
            console, f"resume: {len(before.jobs) - len(again)} trials are kept, {len(again)} were cut off and run again"
        )
    objective = search["objective"]
    goal = f"{objective['direction']} {objective['metric']}"
    if objective["bound"] is not None:
        goal += f" while {objective['bound']} keeps to {objective['bound_value']:g}"
    say(
        console,
        f"search: {search['num_trials']} trials, {goal}, in {short(sweep_dir)}",
    )
    for key, space in search["space"].items():
        say(console, f"  {key}: {_words(space)}")
    if preflight:
        say_preflight(console, preflight)


def _set_aside_what_was_cut_off(sweep: Sweep) -> list[Path]:
    found = []
    for job in sweep.jobs:
        record = read_record_if_any(job.run_dir)
        if record is not None and record.status != "KILLED":
            continue
        if job.run_dir.exists():
            wait_for_worker(job.run_dir, WORKER_ENDS_S)
            with own_folder(job.run_dir, key="hydra.sweep.dir", resumes=True):
                set_aside(job.run_dir, why=why_unfinished(job.run_dir))
        found.append(job.run_dir)
    return found


def _write_resumed(sweep_dir: Path, command: str, *, num_kept: int, num_repeated: int) -> None:
    sweep = read_sweep(sweep_dir)
    entry = {
        "at": datetime.now(UTC).isoformat(),
        "command": command,
        "num_kept": num_kept,
        "num_repeated": num_repeated,
        "num_added": 0,
    }
    write_sweep(dataclasses.replace(sweep, resumed=(*sweep.resumed, entry)))


def _words(space: dict[str, Any]) -> str:
    if space["kind"] == "choice":
        return ", ".join(space["choices"])
    scale = " on a logarithmic scale" if space.get("log") else ""
    return f"{space['low']:g} to {space['high']:g}{scale}"
