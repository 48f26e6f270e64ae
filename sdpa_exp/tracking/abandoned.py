"""Runs that were left behind: no result, and no process that could still write one."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import psutil

from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import EVENTS_FILE, RESULT_FILE, TELEMETRY_FILE, TRACKING_FILE

if TYPE_CHECKING:
    from pathlib import Path

# A process with the event log's pid that was born later than this after the event log's first line is another one.
_START_SLACK_S = 5.0


def is_abandoned(run_dir: Path) -> bool:
    """Whether a run folder without a result will never get one. The caller holds its tracking lock.

    A folder that was followed on another machine is not ours to judge: its processes can't be seen from here.
    """
    if (run_dir / RESULT_FILE).exists():
        return False
    path = run_dir / TRACKING_FILE
    stores = json.loads(path.read_text(encoding="utf-8"))["stores"].values() if path.exists() else ()
    if any(store["host"] != socket.gethostname() for store in stores):
        return False
    started = [event for event in read_events(run_dir) if event["event"] == "run_started"]
    return not started or not _is_alive(started[-1])


def last_sign_unix_ms(run_dir: Path) -> int:
    """When the run last wrote to its event log or telemetry; else when its folder changed."""
    paths = [path for path in (run_dir / EVENTS_FILE, run_dir / TELEMETRY_FILE) if path.exists()] or [run_dir]
    return round(max(path.stat().st_mtime for path in paths) * 1000)


def _is_alive(started: dict[str, Any]) -> bool:
    try:
        process = psutil.Process(int(started["pid"]))
        return bool(
            process.status() != psutil.STATUS_ZOMBIE
            and process.create_time() <= started["time_unix_s"] + _START_SLACK_S
        )
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
