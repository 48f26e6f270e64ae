"""Earlier attempts at a run: what one left is moved into `attempts/<n>/` of its folder, and never appended to."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from sdpa_exp.errors import ComparisonError
from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import (
    ATTEMPT_FILE,
    ATTEMPTS_FOLDER,
    OWNER_LOCK_FILE,
    RESULT_FILE,
    TRACKING_LOCK_FILE,
    WORKER_LOCK_FILE,
    last_checkpoint,
    read_json,
    write_json_atomic,
)
from sdpa_exp.runs.record import read_record

_MOVING = "moving"  # where an attempt's files are on their way; a kill meanwhile is made good by the next attempt
_STAYS = (ATTEMPTS_FOLDER, ".hydra", OWNER_LOCK_FILE, TRACKING_LOCK_FILE, WORKER_LOCK_FILE)


def earlier_attempts(run_dir: Path) -> list[dict[str, Any]]:
    """The content of each attempt.json, oldest first; empty for a run that was started once."""
    found = ((folder, read_json(folder / ATTEMPT_FILE)) for folder in attempt_folders(run_dir))
    return [content or {"num": int(folder.name)} for folder, content in found]


def latest_attempt(run_dir: Path) -> Path | None:
    """The folder of the attempt before this one."""
    return next(reversed(attempt_folders(run_dir)), None)


def set_aside(run_dir: Path, *, why: str | None = None) -> Path | None:
    """Move what a run folder holds into the folder of an attempt, which is returned; None where it holds nothing.

    The caller owns the folder. `attempt.json` has `num`, `status` (None: it left no result), `reason`, `started_at`,
    `last_sign_at`, `num_epochs` (finished), `epochs` (planned) and `repeated_because`.

    Args:
        run_dir: its locks and Hydra's own files stay where they are.
        why: it was started again; None takes how it ended.

    Raises:
        OSError: something can't be moved; the next attempt goes on where this one stopped.
    """
    moving = run_dir / ATTEMPTS_FOLDER / _MOVING
    content = [path for path in run_dir.iterdir() if path.name not in _STAYS] if run_dir.exists() else []
    if not content and not moving.exists():
        return None
    moving.mkdir(parents=True, exist_ok=True)
    num = len(attempt_folders(run_dir)) + 1
    if not (moving / ATTEMPT_FILE).exists():
        described = _describe(run_dir)
        write_json_atomic(
            moving / ATTEMPT_FILE, {"num": num, **described, "repeated_because": why or described["reason"]}
        )
    for path in sorted(content, key=lambda path: path.name != RESULT_FILE):  # first what makes it count as a result
        path.rename(moving / path.name)
    return moving.rename(run_dir / ATTEMPTS_FOLDER / str(num))


def why_unfinished(run_dir: Path) -> str | None:
    """Why a run folder holds no finished run, as a sentence; None where it does."""
    described = _describe(run_dir)
    return None if described["status"] == "FINISHED" else described["reason"]


def whole_checkpoint(attempt: Path) -> Path | None:
    """last.pt of an attempt; None where it is missing or was being written when the attempt ended."""
    path = last_checkpoint(attempt)
    return path if is_whole_checkpoint(path) else None


def is_whole_checkpoint(path: Path) -> bool:
    """Whether a checkpoint is there to its end: Ultralytics writes it in place, and a kill may cut it off."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _describe(run_dir: Path) -> dict[str, Any]:
    try:
        events = read_events(run_dir)
    except ValueError:  # a log of an older version that a full disk has damaged
        events = []
    epochs = [event for event in events if event["event"] == "epoch"]
    times = [event["time_unix_s"] for event in (*events[:1], *events[-1:])]
    reached = {
        "started_at": _iso(times[0]) if times else None,
        "last_sign_at": _iso(times[-1]) if times else None,
        "num_epochs": len(epochs),
        "epochs": epochs[-1]["epochs"] if epochs else None,
    }
    try:
        record = read_record(run_dir)
    except ComparisonError:
        return {"status": None, "reason": _without_result(events, epochs), **reached}
    return {"status": record.status, "reason": record.reason, **reached, "started_at": record.started_at}


def _without_result(events: list[dict[str, Any]], epochs: list[dict[str, Any]]) -> str:
    if not events:
        return "it never came to start"
    how_far = f"after epoch {epochs[-1]['epoch']} of {epochs[-1]['epochs']}" if epochs else "before its first epoch"
    restarted = psutil.boot_time() > events[-1]["time_unix_s"]
    why = "the machine was started again since" if restarted else "its processes were killed"
    return f"it ended without a result {how_far}: {why}"


def attempt_folders(run_dir: Path) -> list[Path]:
    """The folders of earlier attempts, oldest first."""
    folder = run_dir / ATTEMPTS_FOLDER
    found = [path for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
    return sorted(found, key=lambda path: int(path.name))


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()
