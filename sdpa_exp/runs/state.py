"""What a run is doing or came to, as far as its folder tells: the process that runs it is not asked."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sdpa_exp.runs.attempts import attempt_folders, why_unfinished
from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import PLAN_FILE, PROGRESS_FILE, read_json
from sdpa_exp.runs.folder import is_at_work
from sdpa_exp.runs.record import Record, read_record_if_any

SILENT_S = 120.0
"""A run of another machine, whose lock may not be seen from here, counts as lost after so long without a sign."""

RunStatus = Literal["waiting", "running", "finished", "failed", "killed", "lost"]
_ENDED: dict[str, RunStatus] = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed"}


@dataclass(frozen=True, kw_only=True)
class RunState:
    """What is known of one run.

    Attributes:
        status: lost, where it ended without a result.
        record: of a run that has ended.
        attempt: which one it is, from 1; 0 for a run that was not started.
        epoch: its last whole epoch, an event of the event log; None before.
        progress: step, epoch and loss of this moment; None before the first step.
        left_s: an estimate for the rest of its training; None where none can be made.
        elapsed_s: since it was started; None where it was not.
        last_sign_unix_s: when it wrote its last event or live state.
        why: it has no finished run, as a sentence; None for one that waits, goes on or has finished.
    """

    status: RunStatus
    record: Record | None = None
    attempt: int = 0
    epoch: dict[str, Any] | None = None
    progress: dict[str, Any] | None = None
    left_s: float | None = None
    elapsed_s: float | None = None
    last_sign_unix_s: float | None = None
    why: str | None = None


def read_state(run_dir: Path) -> RunState:
    """The state of the run in a folder, which may not be made yet."""
    begun = (run_dir / PLAN_FILE).exists()
    seen = RunState(status="waiting", attempt=len(attempt_folders(run_dir)) + begun)
    if not begun:
        return seen
    events = _events(run_dir)
    epochs = [event for event in events if event["event"] == "epoch"]
    sign_s = _last_sign(run_dir, events)
    seen = replace(seen, epoch=epochs[-1] if epochs else None, last_sign_unix_s=sign_s)
    record = read_record_if_any(run_dir)
    if record is not None:
        status, why = _ENDED[record.status], None if record.status == "FINISHED" else record.reason
        return replace(seen, status=status, record=record, elapsed_s=_wall_s(record), why=why)
    now_s = time.time()
    if is_at_work(run_dir) or (_is_elsewhere(events) and now_s - sign_s < SILENT_S):
        progress = read_json(run_dir / PROGRESS_FILE)
        left_s = _left_s(run_dir, events, progress, now_s)
        elapsed_s = now_s - (events[0]["time_unix_s"] if events else sign_s)
        return replace(seen, status="running", progress=progress, elapsed_s=elapsed_s, left_s=left_s)
    return replace(seen, status="lost", why=why_unfinished(run_dir))


def _wall_s(record: Record) -> float | None:
    """From the start of a run's worker to its record; None where a damaged one has no times."""
    try:
        started, ended = (datetime.fromisoformat(text) for text in (record.started_at, record.ended_at))
    except ValueError:
        return None
    return (ended - started).total_seconds()


def _events(run_dir: Path) -> list[dict[str, Any]]:
    try:
        return read_events(run_dir)
    except ValueError:  # a log of an older version that a full disk has damaged
        return []


def _last_sign(run_dir: Path, events: list[dict[str, Any]]) -> float:
    """Its newest event or live state, else its plan."""
    file = run_dir / PROGRESS_FILE if (run_dir / PROGRESS_FILE).exists() else run_dir / PLAN_FILE
    return max(file.stat().st_mtime, *(float(event["time_unix_s"]) for event in events[-1:]), 0.0)


def _is_elsewhere(events: list[dict[str, Any]]) -> bool:
    hosts = [event["environment"].get("host") for event in events if event["event"] == "environment"]
    return any(host not in (None, platform.node()) for host in hosts)


def _left_s(run_dir: Path, events: list[dict[str, Any]], progress: dict[str, Any] | None, now_s: float) -> float | None:
    """By what the steps so far took from the first batch on, validations included; None before the first."""
    epochs = [event for event in events if event["event"] == "epoch"]
    first = next((event["time_unix_s"] for event in events if event["event"] == "first_batch"), None)
    if first is None or progress is None:
        return None
    before = (epochs[0]["epoch"] if epochs else progress["epoch"]) - 1  # above 0 in a run that goes on from last.pt
    done, reached_s = (
        progress["epoch"] - 1 + progress["step"] / progress["steps"],
        (run_dir / PROGRESS_FILE).stat().st_mtime,
    )
    if epochs and epochs[-1]["epoch"] >= done:
        done, reached_s = epochs[-1]["epoch"], epochs[-1]["time_unix_s"]
    if done <= before:
        return None
    left_s: float = (reached_s - first) / (done - before) * (progress["epochs"] - done)
    return max(0.0, left_s - (now_s - reached_s))
