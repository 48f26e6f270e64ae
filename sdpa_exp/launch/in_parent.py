"""Tasks that read runs and train nothing: they run in the parent, without a worker and without torch."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sdpa_exp.config.location import MLFLOW_SOURCE
from sdpa_exp.config.plan import PLAN_FILE
from sdpa_exp.errors import TrackingError
from sdpa_exp.tracking.tracker import make_tracker

if TYPE_CHECKING:
    from collections.abc import Callable

    from sdpa_exp.config.plan import Plan
    from sdpa_exp.tracking.recall import Recalled

_TELL_EVERY_S = 10.0
_PLAN_NAME = re.compile(r"^name: ([\w.-]+)$", re.MULTILINE)  # without a YAML parser, which takes 10 ms a plan


def compare(plan: Plan) -> int:
    """Compare what `compare.runs` names, folders or runs in MLflow, write the answer into the run folder, and print it.

    Raises:
        ComparisonError: a folder is missing or holds nothing to compare, or the baseline is not among the arms.
        TrackingError: an `mlflow:` source can't be found or read.
    """
    folders: list[Path] = []
    baseline = plan.baseline
    for source in plan.compare.runs:
        if source.startswith(MLFLOW_SOURCE):
            recalled = _recall(plan, source.removeprefix(MLFLOW_SOURCE))
            folders.extend(recalled.folders)
            baseline = baseline or recalled.baseline
        else:
            folders.append(Path(source))

    from sdpa_exp.compare import compare_runs, render_terminal  # scipy and matplotlib are slow to import

    name = ", ".join(s if s.startswith(MLFLOW_SOURCE) else Path(s).name or s for s in dict.fromkeys(plan.compare.runs))
    comparison = compare_runs(folders, name=name, baseline=baseline, config=plan.compare, out_dir=plan.run_dir)
    Console().print(render_terminal(comparison))
    return 0


def _recall(plan: Plan, name: str) -> Recalled:
    from sdpa_exp.tracking.recall import recall  # MLflow is slow to import

    return recall(plan.tracking, name, plan.run_dir / "mlflow")


def sync(plan: Plan) -> int:
    """Send what the store lacks of all runs and sweeps below `sync.folder`, and say how much that was.

    Raises:
        TrackingError: the folder is missing or holds no runs, or the store can't be reached or refuses us.
    """
    folder = Path(plan.sync.folder)
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
    num_sent = tracker.sync(folder, _told_now_and_then(), resend=plan.sync.resend)
    tracker.close()
    _say(f"{_shown(folder)}: " + (f"{num_sent} requests sent" if num_sent else "nothing was missing in the store"))
    command, page = tracker.ui_command(), tracker.ui_page(of_all=len(experiments) > 1)
    if command is not None:
        _say(f"see the runs:  {command}" + (f"\n     then open:  {page}" if page != command else ""))
    return 0


def _experiments_below(folder: Path) -> dict[str, None]:
    """The names of all runs below the folder: those of their experiments. Plans without one are left out."""
    from sdpa_exp.tracking.mlflow import folders_with

    plans = (run_dir / PLAN_FILE for run_dir in folders_with(PLAN_FILE, folder))
    found = (_PLAN_NAME.search(path.read_text(encoding="utf-8", errors="replace")) for path in plans)
    return {str(name[1]): None for name in found if name is not None}


def _told_now_and_then() -> Callable[[int, int], None]:
    """Says how far a long history is, every ten seconds."""
    last_s = time.monotonic()

    def tell(num: int, total: int) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _TELL_EVERY_S:
            last_s = time.monotonic()
            _say(f"{num} of {total} folders are in the store")

    return tell


def _shown(folder: Path) -> str:
    """Relative to the working directory where that is shorter."""
    return min(str(folder), os.path.relpath(folder), key=len)


def _say(message: str) -> None:
    Console().print(message, highlight=False, markup=False, soft_wrap=True)
