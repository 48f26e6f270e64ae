"""Runs that were left behind: no result, and no process that could still write one."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from sdpa_exp.runs.files import EVENTS_FILE, RESULT_FILE, TELEMETRY_FILE, TRACKING_FILE
from sdpa_exp.runs.folder import is_at_work


def is_abandoned(run_dir: Path) -> bool:
    """Whether a run folder without a result will never get one. The caller holds its tracking lock.

    A folder that was followed on another machine is not ours to judge: its processes can't be seen from here.
    """
    if (run_dir / RESULT_FILE).exists():
        return False
    path = run_dir / TRACKING_FILE
    stores = json.loads(path.read_text(encoding="utf-8"))["stores"].values() if path.exists() else ()
    return all(store["host"] == socket.gethostname() for store in stores) and not is_at_work(run_dir)


def last_sign_unix_ms(run_dir: Path) -> int:
    """When the run last wrote to its event log or telemetry; else when its folder changed."""
    paths = [path for path in (run_dir / EVENTS_FILE, run_dir / TELEMETRY_FILE) if path.exists()] or [run_dir]
    return round(max(path.stat().st_mtime for path in paths) * 1000)
