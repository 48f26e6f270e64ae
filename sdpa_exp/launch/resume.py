"""Completes an interrupted run or sweep, or extends a finished one: what had finished is kept, all else runs again.

What an unfinished run left is moved into a folder of its attempt, and its MLflow run is ended; nothing is appended to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from sdpa_exp.config.baseline import resolve_baseline
from sdpa_exp.config.choices import CONTINUE, KEEP, REPEAT
from sdpa_exp.config.launchers import Launcher
from sdpa_exp.config.plan import Plan, read_plan
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import BackendUnavailable, ConfigError
from sdpa_exp.launch.announce import say, say_ignored_server, say_preflight, short
from sdpa_exp.launch.before_sweep import describe_sweep, known_hardware, lasting, refusal_of, with_keys
from sdpa_exp.launch.changes import (
    Changes,
    changed_settings,
    changed_surroundings,
    data_set_now,
    environment_now,
    named,
    require_word,
    with_hardware_of,
)
from sdpa_exp.launch.launch import run_single
from sdpa_exp.launch.match_jobs import Match
from sdpa_exp.launch.on_node import look_before_jobs
from sdpa_exp.launch.shared_tracker import checked_tracker
from sdpa_exp.runs.attempts import latest_attempt, set_aside, whole_checkpoint, why_unfinished
from sdpa_exp.runs.environment import software_and_host
from sdpa_exp.runs.files import ATTEMPT_FILE, COMPARISON_FILE, PLAN_FILE, read_json
from sdpa_exp.runs.folder import WORKER_ENDS_S, own_folder, wait_for_worker
from sdpa_exp.runs.record import read_record_if_any
from sdpa_exp.runs.sweep import Sweep, SweepJob, read_sweep, write_sweep


@dataclass(frozen=True, kw_only=True)
class _Decision:
    """What becomes of a job: `action` is keep, repeat, start (it never was) or add."""

    match: Match
    action: str
    why: str
    continue_from: str | None = None


def begin_again(
    matches: Sequence[Match], sweep_dir: Path, command: str, launcher: Launcher, *, changed: str | None, mode: str
) -> None:
    """Make a sweep that is there ready for its jobs: say what is kept and what runs again, and why.

    Args:
        matches: all jobs of the command, in order.
        sweep_dir: the sweep's folder, which the caller owns.
        command: the command line without the folder.
        launcher: of the sweep; where its jobs run elsewhere, this machine's processor is no change.
        changed: what becomes of finished runs that were made with something else than now: keep, repeat or None.
        mode: restart or continue.

    Raises:
        ConfigError: finished runs were made with something else, and nobody said what becomes of them.
        SdpaExpError: the sweep can't be run, for a reason that concerns all of it.
    """
    console, sweep = Console(), read_sweep(sweep_dir)
    asked = [match.plan for match in matches]
    plans = [
        dataclasses.replace(plan, hardware=known_hardware(sweep, plan.hardware) or plan.hardware) for plan in asked
    ]
    tracker = checked_tracker(plans[0])
    say_ignored_server(console, plans[0])
    for match in matches:
        if match.before is not None:
            wait_for_worker(match.before.run_dir, WORKER_ENDS_S)
    preflight = look_before_jobs(plans, sweep_dir, launcher)
    has_arms = bool(preflight)
    environment = environment_now(preflight, is_here=launcher.is_here)
    decisions, changes = _decide(matches, plans, preflight, environment, changed)
    arms = list(dict.fromkeys(plan.arm for plan in plans))
    known = sweep.preflight.get("hardware", [])
    preflight["warnings"] = list(dict.fromkeys([*sweep.preflight.get("warnings", []), *preflight.get("warnings", [])]))
    preflight["hardware"] = [*known, *(entry for entry in preflight.get("hardware", []) if entry not in known)]
    again = describe_sweep(plans, sweep_dir, command, resolve_baseline(arms, plans[0].baseline))
    again = with_keys(dataclasses.replace(again, preflight=lasting(preflight), cwd=sweep.cwd or again.cwd), plans)
    decisions = [_set_aside(decision, mode) for decision in decisions]
    entry = _entry(sweep, again, decisions) | {"mode": mode, "changes": changes, "changed": changed}
    resumed = (*sweep.resumed, entry)
    jobs = tuple(_job(job, each, len(resumed)) for job, each in zip(again.jobs, decisions, strict=True))
    write_sweep(dataclasses.replace(again, jobs=jobs, resumed=resumed))
    tracker.open_sweep(sweep_dir, again=True)
    for job in jobs:
        tracker.mend(job.run_dir)
    _say(console, sweep_dir, decisions, entry)
    if has_arms:
        say_preflight(console, preflight)


def resume_single(plan: Plan, *, changed: str | None, mode: str) -> int:
    """Do a single run again that did not finish; returns its exit code, 0 where it had finished.

    Raises:
        ConfigError: the folder holds no run of a worker; or it had finished with something else than now, and nobody
            said what becomes of it.
        SdpaExpError: as for any single run.
    """
    console = Console()
    if load_task(plan).in_parent:
        raise ConfigError(f"task={plan.task.name} has nothing to complete: expected a run. Start it without resume.")
    wait_for_worker(plan.run_dir, WORKER_ENDS_S)
    before = plan.run_dir if (plan.run_dir / PLAN_FILE).exists() else latest_attempt(plan.run_dir)
    old = None if before is None else read_plan(before)
    settings = {} if old is None else changed_settings(old, plan)
    plan = plan if old is None else with_hardware_of(plan, old)
    match = Match(
        plan=plan, before=SweepJob(num=0, run_dir=plan.run_dir, arm=plan.arm, seed=plan.seed, title=plan.title),
        changes=settings,
    )  # fmt: skip
    (decision,), _ = _decide([match], [plan], {}, software_and_host(), changed)
    if decision.action == KEEP:
        say(console, f"{plan.title} has finished, and is kept: {short(plan.run_dir)}")
        return 0
    tracker = checked_tracker(plan)
    decision = _set_aside(decision, mode)
    tracker.mend(plan.run_dir)
    say(console, _line(decision))
    job = dataclasses.replace(plan.job, continue_from=decision.continue_from)
    return run_single(dataclasses.replace(plan, job=job))


def _decide(
    matches: Sequence[Match],
    plans: Sequence[Plan],
    preflight: dict[str, Any],
    environment: dict[str, Any],
    changed: str | None,
) -> tuple[list[_Decision], list[str]]:
    """What becomes of each job, and what has changed since finished ones were made."""
    decisions = []
    all_changes: list[Changes] = []
    for match, plan in zip(matches, plans, strict=True):
        if match.before is None:
            decisions.append(_Decision(match=match, action="add", why="new in this sweep"))
            continue
        record = read_record_if_any(match.before.run_dir)
        refusal = refusal_of(Sweep(folder=plan.run_dir, name="", preflight=preflight), plan)
        if record is not None and record.error == BackendUnavailable.__name__ and refusal is not None:
            decisions.append(_Decision(match=match, action=KEEP, why=f"it still can't run: {refusal}"))
        elif record is None or record.status != "FINISHED":
            decisions.append(_unfinished(match))
        else:
            changes = match.changes | changed_surroundings(record, environment, data_set_now(preflight, plan))
            all_changes += [changes] if changes else []
            because = ", ".join(f"{name} changed" for name in changes)
            action = REPEAT if changes and changed == REPEAT else KEEP
            decisions.append(
                _Decision(match=match, action=action, why=f"finished{', but ' if because else ''}{because}")
            )
    require_word(all_changes, changed)
    return decisions, named(all_changes)


def _unfinished(match: Match) -> _Decision:
    assert match.before is not None
    run_dir = match.before.run_dir
    was_started = (run_dir / PLAN_FILE).exists()
    before = None if was_started else latest_attempt(run_dir)  # moved aside by a command that was ended there
    why = why_unfinished(run_dir) if was_started else before and (read_json(before / ATTEMPT_FILE) or {}).get("reason")
    if not why:
        return _Decision(match=match, action="start", why="it was not started yet")
    return _Decision(match=match, action=REPEAT, why=why.rstrip("."))


def _set_aside(decision: _Decision, mode: str) -> _Decision:
    """Move what a run left into the folder of its attempt, and find what it can go on from."""
    before = decision.match.before
    if decision.action == KEEP or before is None or not before.run_dir.exists():
        return decision
    with own_folder(before.run_dir, key="hydra.sweep.dir", resumes=True):
        attempt = set_aside(before.run_dir, why=decision.why)
    attempt = attempt or latest_attempt(before.run_dir)
    if mode != CONTINUE or attempt is None or decision.match.plan.task.name != "train":
        return decision
    reached = read_json(attempt / ATTEMPT_FILE) or {}
    is_between = 0 < (reached.get("num_epochs") or 0) < (reached.get("epochs") or 0)
    checkpoint = whole_checkpoint(attempt) if is_between else None
    if checkpoint is None or decision.match.changes or decision.why.startswith("finished"):
        return dataclasses.replace(decision, why=f"{decision.why}; there is no last.pt to go on from")
    return dataclasses.replace(decision, continue_from=checkpoint.relative_to(before.run_dir).as_posix())


def _job(job: SweepJob, decision: _Decision, num_resumed: int) -> SweepJob:
    before = decision.match.before
    added = num_resumed if before is None else before.added
    return dataclasses.replace(job, added=added, is_kept=decision.action == KEEP, continue_from=decision.continue_from)


def _entry(before: Sweep, now: Sweep, decisions: Sequence[_Decision]) -> dict[str, Any]:
    """What sweep.json keeps of this."""
    actions = [decision.action for decision in decisions]
    return {
        "at": datetime.now(UTC).isoformat(),
        "command": now.command,
        "num_kept": actions.count(KEEP),
        "num_repeated": actions.count(REPEAT),
        "num_started": actions.count("start"),
        "num_added": actions.count("add"),
        "arms_added": [arm for arm in now.arms if arm not in before.arms],
        "seeds_added": [seed for seed in now.seeds if seed not in before.seeds],
        "num_finished": sum(decision.why.startswith("finished") for decision in decisions),
        "was_compared": (before.folder / COMPARISON_FILE).exists(),
    }


def _say(console: Console, sweep_dir: Path, decisions: Sequence[_Decision], entry: dict[str, Any]) -> None:
    words = {"num_kept": "kept", "num_repeated": "repeated", "num_started": "not started yet", "num_added": "added"}
    counts = ", ".join(f"{entry[key]} {word}" for key, word in words.items() if entry[key])
    say(console, f"resume: {len(decisions)} runs in {short(sweep_dir)}: {counts}")
    for decision in decisions:
        say(console, _line(decision))
    for change in entry["changes"]:
        say(console, f"  changed since: {change}")


def _line(decision: _Decision) -> str:
    action = f"go on from {decision.continue_from}" if decision.continue_from else decision.action
    return f"  {action}: {decision.match.plan.title}: {decision.why}"
