"""The beginning of a search, new or resumed: what is known before its first trial."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sdpa_exp.config.choices import REPEAT
from sdpa_exp.config.plan import read_plan
from sdpa_exp.errors import BackendUnavailable
from sdpa_exp.launch.announce import say, say_ignored_server, say_preflight, short
from sdpa_exp.launch.before_sweep import describe_sweep, lasting
from sdpa_exp.launch.changes import (
    Changes,
    changed_settings,
    changed_surroundings,
    data_set_now,
    environment_now,
    named,
    require_word,
)
from sdpa_exp.launch.on_node import look_before_jobs
from sdpa_exp.launch.shared_tracker import checked_tracker
from sdpa_exp.runs.attempts import set_aside, why_unfinished
from sdpa_exp.runs.files import SWEEP_FILE
from sdpa_exp.runs.folder import WORKER_ENDS_S, own_folder, wait_for_worker
from sdpa_exp.runs.record import read_record_if_any
from sdpa_exp.runs.sweep import Sweep, SweepJob, read_sweep, write_sweep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sdpa_exp.config.launchers import Launcher
    from sdpa_exp.config.plan import Plan


def begin_search(
    plan: Plan, sweep_dir: Path, command: str, search: dict[str, Any], launcher: Launcher, *, changed: str | None
) -> None:
    """Look at the machine, and say what is coming; trials of a search that is there are kept, but what was cut off.

    Args:
        plan: of one setting, which stands for all.
        sweep_dir: the sweep's folder, which the caller owns.
        command: the command line.
        search: `Sweep.search`, without trials.
        launcher: of the sweep.
        changed: what becomes of finished trials that were made with something else than now: keep, repeat or None.

    Raises:
        ConfigError: finished trials were made with something else, and nobody said what becomes of them.
        SdpaExpError: the search can't be run, for a reason that concerns all of it.
    """
    console, tracker = Console(), checked_tracker(plan)
    say_ignored_server(console, plan)
    before = read_sweep(sweep_dir) if (sweep_dir / SWEEP_FILE).exists() else None
    preflight = look_before_jobs([plan], sweep_dir, launcher)
    refusal = next((arm["sentence"] for arm in preflight.get("arms", []) if arm["sentence"]), None)
    if refusal is not None:
        raise BackendUnavailable(refusal)
    changes = {} if before is None else _changed_trials(before, plan, search, preflight, is_here=launcher.is_here)
    require_word(list(changes.values()), changed)
    sweep = before or dataclasses.replace(describe_sweep([], sweep_dir, command, None), name=plan.name)
    search = search | {"trials": sweep.search.get("trials", {})}
    write_sweep(dataclasses.replace(sweep, preflight=lasting(preflight), search=search))
    tracker.open_sweep(sweep_dir, again=before is not None)
    if before is not None:
        cut_off = _set_aside(before, {job.num: None for job in before.jobs if _is_cut_off(job)})
        redone = {num: f"finished, but {', '.join(each)} changed" for num, each in changes.items()}
        repeated = _set_aside(before, redone if changed == REPEAT else {})
        num_kept, num_again = len(before.jobs) - len(cut_off) - len(repeated), len(cut_off) + len(repeated)
        names = named(list(changes.values()))
        _write_resumed(sweep_dir, command, num_kept=num_kept, num_repeated=num_again, changes=names, changed=changed)
        for run_dir in (*cut_off, *repeated):
            tracker.mend(run_dir)
        more = f", {len(repeated)} with other settings or surroundings, too" if repeated else ""
        say(console, f"resume: {num_kept} trials are kept, {len(cut_off)} were cut off and run again{more}")
        for name in names:
            say(console, f"  changed since: {name}")
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


def _changed_trials(
    sweep: Sweep, plan: Plan, search: dict[str, Any], preflight: dict[str, Any], *, is_here: bool
) -> dict[int, Changes]:
    """What is not as it was when a finished trial was made, but for what is searched."""
    environment = environment_now(preflight, is_here=is_here)
    searched = tuple(key for each in (sweep.search, search) for key in each["space"])
    digest = None if any(key.partition(".")[0] == "dataset" for key in searched) else data_set_now(preflight, plan)
    found: dict[int, Changes] = {}
    for job in sweep.jobs:
        record = read_record_if_any(job.run_dir)
        if record is None or record.status != "FINISHED":
            continue
        settings = changed_settings(read_plan(job.run_dir), plan)
        settings = {key: pair for key, pair in settings.items() if not _is_searched(key, searched)}
        changes = settings | changed_surroundings(record, environment, digest)
        if changes:
            found[job.num] = changes
    return found


def _is_searched(key: str, searched: Sequence[str]) -> bool:
    """Whether it is a searched key, or of a searched group; a data set may bring its recipe."""
    groups = {*searched, *(["train"] if "dataset" in searched else [])}
    return any(key == each or key.startswith(f"{each}.") for each in groups)


def _is_cut_off(job: SweepJob) -> bool:
    record = read_record_if_any(job.run_dir)
    return record is None or record.status == "KILLED"


def _set_aside(sweep: Sweep, whys: Mapping[int, str | None]) -> list[Path]:
    """Set aside what these trials left, so that they are open again; without a reason it is the one that they have."""
    found = []
    for job in (job for job in sweep.jobs if job.num in whys):
        if job.run_dir.exists():
            wait_for_worker(job.run_dir, WORKER_ENDS_S)
            with own_folder(job.run_dir, key="hydra.sweep.dir", resumes=True):
                set_aside(job.run_dir, why=whys[job.num] or why_unfinished(job.run_dir))
        found.append(job.run_dir)
    return found


def _write_resumed(
    sweep_dir: Path, command: str, *, num_kept: int, num_repeated: int, changes: list[str], changed: str | None
) -> None:
    sweep = read_sweep(sweep_dir)
    entry = {
        "at": datetime.now(UTC).isoformat(),
        "command": command,
        "num_kept": num_kept,
        "num_repeated": num_repeated,
        "num_added": 0,
        "changes": changes,
        "changed": changed,
    }
    write_sweep(dataclasses.replace(sweep, resumed=(*sweep.resumed, entry)))


def _words(space: dict[str, Any]) -> str:
    if space["kind"] == "choice":
        return ", ".join(space["choices"])
    scale = " on a logarithmic scale" if space.get("log") else ""
    return f"{space['low']:g} to {space['high']:g}{scale}"
