"""task=sync sends what the tracking store lacks: in the parent, without a worker and without torch."""

from __future__ import annotations

import os
import re
from pathlib import Path

from rich.console import Console

from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import TrackingError
from sdpa_exp.runs.files import PLAN_FILE, folders_with
from sdpa_exp.tasks.now_and_then import now_and_then
from sdpa_exp.tasks.sync import Sync
from sdpa_exp.tracking.tracker import make_tracker

_PLAN_NAME = re.compile(r"^name: ([\w.-]+)$", re.MULTILINE)  # without a YAML parser, which takes 10 ms a plan


def sync(plan: Plan) -> int:
    """Send what the store lacks of all runs and sweeps below `sync.folder`, and say how much that was.

    Raises:
        TrackingError: the folder is missing or holds no runs, or the store can't be reached or refuses us.
    """
    folder = Path(Sync.of(plan).folder)
    if plan.tracking.kind == "none":
        raise TrackingError("task=sync has no store to send to with tracking=none. Use tracking=local or =server.")
    if not folder.is_dir():
        raise TrackingError(
            f"sync.folder={folder} is not there: expected a run folder, a sweep folder or a folder above such. "
            f"Give its path with sync.folder=..."
        )
    experiments = _experiments_below(folder)
    tracker = make_tracker(plan.tracking, experiment=next(iter(experiments), plan.name))  # one that is there afterwards
    tracker.check()
    num_sent = tracker.sync(folder, now_and_then(_say, "folders", every_s=10), resend=Sync.of(plan).resend)
    tracker.close()
    _say(f"{_shown(folder)}: " + (f"{num_sent} requests sent" if num_sent else "nothing was missing in the store"))
    command, page = tracker.ui_command(), tracker.ui_page(of_all=len(experiments) > 1)
    if command is not None:
        _say(f"see the runs:  {command}" + (f"\n     then open:  {page}" if page != command else ""))
    return 0


def _experiments_below(folder: Path) -> dict[str, None]:
    """The names of all runs below the folder: those of their experiments. Plans without one are left out."""
    plans = (run_dir / PLAN_FILE for run_dir in folders_with(PLAN_FILE, folder))
    found = (_PLAN_NAME.search(path.read_text(encoding="utf-8", errors="replace")) for path in plans)
    return {str(name[1]): None for name in found if name is not None}


def _shown(folder: Path) -> str:
    """Relative to the working directory where that is shorter."""
    return min(str(folder), os.path.relpath(folder), key=len)


def _say(message: str) -> None:
    Console().print(message, highlight=False, markup=False, soft_wrap=True)
