"""A sweep whose launcher gave up: Hydra then calls nobody at its end, and loky and others kill the jobs' processes.

What is left is made whole here: the dead get their records, and the sweep can be compared and resumed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sdpa_exp.config.plan import read_plan
from sdpa_exp.config.submitit_jobs import line_that_cancels
from sdpa_exp.errors import RunError, SdpaExpError
from sdpa_exp.interruption import signal_of, signal_words
from sdpa_exp.launch.announce import say
from sdpa_exp.launch.make_record import now
from sdpa_exp.launch.supervise import complete
from sdpa_exp.runs.files import PLAN_FILE, RESULT_FILE
from sdpa_exp.runs.folder import is_at_work

if TYPE_CHECKING:
    from rich.console import Console

_PATIENCE_S = 40.0  # a worker sees in seconds that its parent is gone, and ends its training step first
_LAUNCHERS = frozenset({"joblib", "submitit", "ray", "concurrent"})


def is_of_launcher(error: BaseException) -> bool:
    """Whether an exception is a launcher's own: a process of it died, a job was cancelled, or it could not start."""
    return type(error).__module__.partition(".")[0] in _LAUNCHERS


def as_sentence(error: BaseException) -> RunError:
    """What a launcher says, in a sentence."""
    text = str(error).strip().partition("\n")[0].rstrip(".")
    return RunError(
        f"the launcher ended this sweep before all of its jobs had run: {type(error).__name__}: {text}. What had "
        "finished is kept, and processes that died are recorded."
    )


def record_the_dead(run_dirs: Sequence[Path], error: BaseException, console: Console) -> None:
    """Give every run that began and has no record one that says what ended it, once its processes are gone.

    Those that stay at work, as under submitit, write their own.
    """
    if isinstance(error, RunError):  # jobs that were lost, while the others went on
        say(console, str(error))
    if isinstance(error, KeyboardInterrupt) and (line := line_that_cancels()) is not None:
        say(console, f"the jobs stay in Slurm's queue, and run all the same. To take them out:  {line}")
    begun = [run_dir for run_dir in run_dirs if (run_dir / PLAN_FILE).exists()]
    begun = [run_dir for run_dir in begun if not (run_dir / RESULT_FILE).exists()]
    if any(map(is_at_work, begun)):
        say(console, f"waiting up to {_PATIENCE_S:.0f} s for runs that are ending ...")
    deadline_s = time.monotonic() + _PATIENCE_S
    while any(map(is_at_work, begun)) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    for run_dir in begun:
        if (run_dir / RESULT_FILE).exists():
            continue
        if is_at_work(run_dir):
            say(console, f"{run_dir.name} goes on by itself: wait for its end before you resume or compare.")
            continue
        try:
            complete(read_plan(run_dir), status="KILLED", how=_how(error), started_at=now())
        except SdpaExpError:  # a plan cut short: this run counts as missing
            continue


def _how(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return f"the run was ended by {signal_words(signal_of(error))}, with the process that watched it."
    return f"the process that watched the run died ({type(error).__name__})."
