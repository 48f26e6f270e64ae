"""task=status reads the run folders of a sweep: in the parent, without a worker, without torch, and without a trace."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.resume import resume_line
from sdpa_exp.errors import RunError
from sdpa_exp.runs.files import OWNER_LOCK_FILE, PLAN_FILE, SWEEP_FILE
from sdpa_exp.runs.folder import is_owned
from sdpa_exp.runs.state import RunState, read_state
from sdpa_exp.runs.sweep import read_sweep
from sdpa_exp.tasks.status import Status
from sdpa_exp.tasks.status.table import (
    clock,
    how_far,
    left_of_all_s,
    metrics_of,
    run_table,
    summary,
    train_loss,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

_PERIOD_S = 2.0
_IN_A_PIPE = 200  # columns: whole rows for whatever reads them
_SHOWN_WHY = 20  # sentences about runs that did not finish


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A sweep or a single run at one moment.

    Attributes:
        is_at_work: somebody still runs it.
        num_to_come: trials of a search that are not chosen yet; None where it is no search, in which a failed run is
            one of its trials.
    """

    folder: Path
    titles: list[str]
    folders: list[Path]
    states: list[RunState]
    is_at_work: bool
    num_to_come: int | None = None

    @property
    def exit_code(self) -> int:
        """0 where every run has finished; else that of the first failed run, or RunError's while none has failed."""
        codes = [s.record.exit_code for s in self.states if s.record is not None and s.record.exit_code]
        ends = ("finished",) if self.num_to_come is None else ("finished", "failed")
        is_whole = bool(self.states) and not self.num_to_come and all(s.status in ends for s in self.states)
        return 0 if is_whole and not self.is_at_work else (*codes, RunError.exit_code)[0]


def status(plan: Plan) -> int:
    """Show how far the sweep in `status.folder` is; returns 0 where all of it has finished.

    Raises:
        RunError: the folder is missing, or holds neither a sweep nor a run.
        ComparisonError: its sweep.json can't be read.
    """
    options = Status.of(plan)
    _leave_no_trace(plan.run_dir)
    folder = _newest_sweep() if options.folder is None else Path(options.folder)
    seen, console = _look(folder), Console()
    if not console.is_terminal:
        console = Console(width=_IN_A_PIPE)
    if options.watch and seen.is_at_work:
        with contextlib.suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, transient=True) as live:
            while seen.is_at_work:
                live.update(_shown(seen, console.height), refresh=console.is_terminal)
                time.sleep(_PERIOD_S)
                seen = _look(folder)
    console.print(_shown(seen, None), soft_wrap=True)
    return seen.exit_code


def document(plan: Plan) -> dict[str, Any]:
    """What `status` shows, for a program; seconds and metrics that are not known are null.

    Raises:
        SdpaExpError: as `status`.
    """
    options = Status.of(plan)
    seen = _look(_newest_sweep() if options.folder is None else Path(options.folder))
    return {
        "folder": os.path.abspath(seen.folder),
        "exit_code": seen.exit_code,
        "is_at_work": seen.is_at_work,
        "counts": dict(Counter(state.status for state in seen.states)),
        "num_trials_to_come": seen.num_to_come,
        "left_s": left_of_all_s(seen.states),
        "resume": None if seen.is_at_work or not seen.exit_code else resume_line(seen.folder),
        "runs": [
            {"title": title, "folder": os.path.abspath(folder), **_values(state)}
            for title, folder, state in zip(seen.titles, seen.folders, seen.states, strict=True)
        ],
    }


def _values(state: RunState) -> dict[str, Any]:
    metrics, epoch, progress = metrics_of(state), state.epoch, state.progress
    reached = progress or epoch or {}
    return {
        "status": state.status,
        "attempt": state.attempt,
        "epoch": reached.get("epoch"),
        "epochs": reached.get("epochs"),
        "step": reached.get("step"),
        "steps": reached.get("steps"),
        "loss": progress["loss"] if progress else train_loss(epoch["metrics"]) if epoch else None,
        "metrics": metrics,
        "elapsed_s": state.elapsed_s,
        "left_s": state.left_s,
        "last_sign_unix_s": state.last_sign_unix_s,
        "why": state.why,
    }


def _newest_sweep() -> Path:
    found = sorted(Path("multirun").glob(f"*/*/{SWEEP_FILE}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise RunError(
            "task=status found no sweep below multirun/ here: expected the folder of a sweep or of a run. Name it "
            "with status.folder=..."
        )
    return found[-1].parent


def _look(folder: Path) -> _Seen:
    num_to_come = None
    if (folder / SWEEP_FILE).exists():
        sweep = read_sweep(folder)
        jobs = sweep.jobs
        if sweep.search:
            num_to_come = max(0, sweep.search["num_trials"] - len(jobs))
        titles, folders = [job.title for job in jobs], [job.run_dir for job in jobs]
    elif (folder / PLAN_FILE).exists():
        titles, folders = [folder.name], [folder]
    else:
        raise RunError(
            f"status.folder={folder} holds neither a sweep nor a run: expected a folder with {SWEEP_FILE} or "
            f"{PLAN_FILE}. Look below multirun/."
        )
    states = [read_state(run_dir) for run_dir in folders]
    at_work = is_owned(folder) or any(state.status == "running" for state in states)
    return _Seen(
        folder=folder, titles=titles, folders=folders, states=states, is_at_work=at_work, num_to_come=num_to_come
    )


def _shown(seen: _Seen, height: int | None) -> RenderableType:
    """All of it, or what a screen of that height (lines) has room for: what goes on, then what comes next."""
    places = list(range(len(seen.states)))
    if height is not None and len(places) > (room := max(3, height - 4)):
        goes_on = [i for i in places if seen.states[i].status == "running"]
        first = min(max(0, (goes_on or places)[0] - room // 4), len(places) - room)
        places = places[first : first + room]
    has_attempts = any(state.attempt > 1 for state in seen.states)
    table = run_table(seen.states, *(["attempt"] if has_attempts else []), "last sign")
    for place in places:
        state = seen.states[place]
        style = {"running": "bold", "waiting": "dim"}.get(state.status, "")
        attempt = [str(state.attempt or "")] if has_attempts else []
        table.add_row(seen.titles[place], *how_far(state), *attempt, _last_sign(state), style=style)
    lines = [f"{_short(seen.folder)}: {_counts(seen)}"]
    if height is None and not seen.is_at_work and seen.exit_code:
        lines += _missing(seen)
    return Group(table, Text("\n".join(lines)))


def _last_sign(state: RunState) -> str:
    if state.last_sign_unix_s is None or state.status not in ("running", "lost"):
        return ""
    return f"{clock(max(0.0, time.time() - state.last_sign_unix_s))} ago"


def _counts(seen: _Seen) -> str:
    words = {"lost": "without a result", "waiting": "waiting" if seen.is_at_work else "not started"}
    counts = Counter(state.status for state in seen.states)
    parts = [f"{num} {words.get(name, name)}" for name, num in counts.items()]
    if seen.num_to_come:
        parts.append(f"{seen.num_to_come} trials to come")
    ended = f": {', '.join(parts)}" if parts else ""
    goes_on = "" if seen.is_at_work else "; nothing is at work there"
    return f"{summary(seen.states)}{ended}{goes_on}"


def _missing(seen: _Seen) -> list[str]:
    """Why runs did not finish, and the line that goes on."""
    reasons = [f"  {title}: {state.why}" for title, state in zip(seen.titles, seen.states, strict=True) if state.why]
    more = [f"  and {len(reasons) - _SHOWN_WHY} more"] if len(reasons) > _SHOWN_WHY else []
    return [*reasons[:_SHOWN_WHY], *more, f"To go on:  {resume_line(seen.folder)}"]


def _short(folder: Path) -> str:
    return min(str(folder), os.path.relpath(folder), key=len)


def _leave_no_trace(run_dir: Path) -> None:
    """Hydra made a folder for this command, in which nothing is written."""
    with contextlib.suppress(OSError):  # it holds something: somebody named a folder that is in use
        if {path.name for path in run_dir.iterdir()} <= {OWNER_LOCK_FILE}:
            (run_dir / OWNER_LOCK_FILE).unlink(missing_ok=True)
            run_dir.rmdir()
            run_dir.parent.rmdir()
