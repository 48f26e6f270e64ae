"""What a sweep measures beside its trainings: speed and memory of its arms, side by side in fresh processes.

Trainings one after the other differ by what the machine did meanwhile; task=answer times arms in turns inside each of
several processes. It runs here for every comparison group, in a run folder below the sweep's, and the comparison takes
its verdicts on speed and memory from there. Where it can't be done, `groups.json` says why.
"""

from __future__ import annotations

import dataclasses
import itertools
import platform
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdpa_exp.config.plan import Job, Plan, read_plan
from sdpa_exp.config.schema import TaskConfig
from sdpa_exp.errors import SdpaExpError
from sdpa_exp.interruption import signal_of, signal_words
from sdpa_exp.launch.announce import say
from sdpa_exp.launch.progress import RunProgress
from sdpa_exp.launch.supervise import supervise
from sdpa_exp.runs.files import ANSWER_FILE, INTERLEAVED_FOLDER, INTERLEAVED_GROUPS_FILE, read_json, write_json_atomic
from sdpa_exp.runs.record import Record
from sdpa_exp.runs.sweep import Sweep
from sdpa_exp.tracking.tracker import NoTracker

if TYPE_CHECKING:
    from rich.console import Console

INTERLEAVED = "interleaved"
_TASK = TaskConfig(name="answer", _target_="sdpa_exp.tasks.answer.Answer")


def measure_beside(sweep: Sweep, records: Sequence[Record | None], console: Console) -> KeyboardInterrupt | None:
    """Measure every comparison group in which two arms or more have finished; returns what has interrupted it, if any.

    Whatever goes wrong is a reason in `groups.json`, and the trainings are compared all the same.
    """
    groups, path = _groups(sweep, records), sweep.folder / INTERLEAVED_FOLDER / INTERLEAVED_GROUPS_FILE
    known = read_json(path) or {}  # of an earlier end of this sweep, which was resumed since
    interrupted: KeyboardInterrupt | None = None
    entries: dict[str, dict[str, Any]] = {}
    for group_id, runs in groups.items():
        arms = {plan.arm: plan for plan, _ in runs if plan.attention.copy_of is None}
        if len(arms) < 2:
            continue
        if _is_measured(sweep.folder, known.get(group_id), arms):
            entries[group_id] = known[group_id]
            continue
        folder = next(path for path in _places(sweep.folder) if not path.exists())
        reason = _why_not(sweep, list(arms), runs) or (
            f"it was ended by {_words(interrupted)}" if interrupted else None
        )
        if reason is None:
            try:
                reason = _measure(_plan(folder, sweep, arms), console)
            except KeyboardInterrupt as error:
                interrupted, reason = error, f"it was ended by {_words(error)}"
        entries[group_id] = {"folder": folder.name, "reason": reason}
    if entries:
        path.parent.mkdir(exist_ok=True)
        write_json_atomic(path, entries)
    return interrupted


def _is_measured(sweep_dir: Path, entry: dict[str, Any] | None, arms: Iterable[str]) -> bool:
    """Whether there is a measurement of these arms already."""
    if entry is None or entry["reason"]:
        return False
    content = read_json(sweep_dir / INTERLEAVED_FOLDER / str(entry["folder"]) / ANSWER_FILE) or {}
    return set(arms) <= {*content.get("arms", ()), *content.get("refused", ())}


def _places(sweep_dir: Path) -> Iterator[Path]:
    return (sweep_dir / INTERLEAVED_FOLDER / str(number) for number in itertools.count())


def _groups(sweep: Sweep, records: Sequence[Record | None]) -> dict[str, list[tuple[Plan, Record]]]:
    """Group id -> its finished trainings, by plans that ask for the measurement."""
    found: dict[str, list[tuple[Plan, Record]]] = {}
    for job, record in zip(sweep.jobs, records, strict=True):
        if record is None or record.status != "FINISHED":
            continue
        try:
            plan = read_plan(job.run_dir)
        except SdpaExpError:
            continue
        if plan.compare.speed == INTERLEAVED:
            found.setdefault(record.group_id, []).append((plan, record))
    return found


def _why_not(sweep: Sweep, arms: list[str], runs: list[tuple[Plan, Record]]) -> str | None:
    """Why this machine can't say anything about these trainings."""
    plan = runs[0][0]
    hosts = {record.environment.get("host") for _, record in runs}
    if hosts != {platform.node()}:
        return "not all arms ran on this machine"
    if sweep.baseline not in arms:
        return f"no run of {sweep.baseline} has finished"
    alike = [each["arms"] for each in sweep.preflight.get("same_kernel", []) if each["group_id"] == runs[0][1].group_id]
    if any(set(arms) <= set(each) for each in alike):
        return "all arms run the same kernel, so that there is nothing to time"
    if plan.train.compile:
        return "train.compile is on, and the steps that are timed side by side are not compiled"
    return None


def _plan(folder: Path, sweep: Sweep, arms: dict[str, Plan]) -> Plan:
    """task=answer on the settings of the trainings, with their arms by name."""
    plan = arms[sweep.baseline or next(iter(arms))]
    backends = {arm: each.attention.backend for arm, each in arms.items()}
    return dataclasses.replace(
        plan,
        task=_TASK,
        options={"arms": list(arms)},
        attentions={**plan.attentions, **backends},
        baseline=sweep.baseline,
        job=Job(run_dir=str(folder), command=sweep.command),
    )


def _measure(plan: Plan, console: Console) -> str | None:
    """Why there is no measurement; None where there is one."""
    title = "speed and memory, side by side"
    say(console, f"{title}: timed next, in fresh processes; compare.speed=trainings leaves it out")
    try:
        record = supervise(plan, NoTracker(), RunProgress(console, title))
    except (SdpaExpError, OSError) as error:
        return str(error).rstrip(".")
    return None if record.status == "FINISHED" else f"it failed: {str(record.reason).rstrip('.')}"


def _words(error: KeyboardInterrupt) -> str:
    return signal_words(signal_of(error))
