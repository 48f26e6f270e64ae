"""A queue's time limit held against what finished runs of the same settings took, before a sweep goes there.

No figure is guessed: where no such run is at hand, that is said. The login node does not know which card a job gets, so
that a limit which looks too short is a warning, with the card that the figure is from.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING

from rich.console import Console

from sdpa_exp.config.plan import Plan, read_plan
from sdpa_exp.errors import SdpaExpError
from sdpa_exp.launch.announce import say, say_silent, short
from sdpa_exp.launch.changes import with_hardware_of
from sdpa_exp.runs.files import RESULT_FILE
from sdpa_exp.runs.record import waited_for_gpu
from sdpa_exp.runs.state import RunState, read_state
from sdpa_exp.tasks.status.table import clock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sdpa_exp.config.launchers import Launcher

_NEWEST = 200  # finished runs of the series that are looked at
_BY_EPOCH = ("train", "validation")  # phases of a record that are as long as there are epochs


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Known:
    """How long a run takes, by a finished one; `is_by_epoch` where that had another number of epochs."""

    wall_s: float
    run_dir: Path
    device: str
    is_by_epoch: bool


def say_launcher(plans: Sequence[Plan], launcher: Launcher, target: str, sweep_dir: Path) -> None:
    """What a launcher means for the jobs: how long they may take, and where they print; `target` is its class."""
    _say_time_limit(plans, launcher, sweep_dir)
    say_silent(target, sweep_dir)


def _say_time_limit(plans: Sequence[Plan], launcher: Launcher, sweep_dir: Path) -> None:
    """Print the limit beside the longest run that is known; nothing where the launcher has no limit."""
    if launcher.limit_s is None:
        return
    console = Console()
    limit, known = f"time limit of {clock(launcher.limit_s)} for each run", _longest(plans, sweep_dir.parent)
    if known is None:
        say(
            console,
            f"{limit}, and no finished run of these settings beside {short(sweep_dir)} to hold it against: one with "
            "train.epochs=1 on such a node would tell.",
        )
        return
    how = "by its epochs " if known.is_by_epoch else ""
    took = f"{clock(known.wall_s)} {how}on {known.device}, where {short(known.run_dir)} ran"
    if known.wall_s < launcher.limit_s:
        say(console, f"{limit}; a run takes {took}")
        return
    minutes = math.ceil(known.wall_s / 60)
    say(
        console,
        f"WARNING: a {limit} is too short where the nodes are no faster: a run takes {took}. What meets it is ended, "
        f"and does not count; hydra.launcher.timeout_min has to be well above {minutes}.",
    )


def _longest(plans: Sequence[Plan], series: Path) -> _Known | None:
    asked = {json.dumps(plan.group(), sort_keys=True, default=str): plan for plan in plans}
    paths = [*series.glob(f"*/{RESULT_FILE}"), *series.glob(f"*/*/{RESULT_FILE}")]
    paths = sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)[:_NEWEST]
    found: dict[str, tuple[float, Path, RunState]] = {}
    for run_dir in (path.parent for path in paths):
        state = read_state(run_dir)
        record, wall_s = state.record, state.elapsed_s
        if record is None or state.status != "finished" or wall_s is None or record.continued_from_epoch is not None:
            continue
        if waited_for_gpu(record.warnings):
            continue
        found[record.group_id] = max(found.get(record.group_id, (0.0, run_dir, state)), (wall_s, run_dir, state))
    known = (_known(plan, *each) for each in found.values() for plan in asked.values())
    return max((each for each in known if each is not None), key=lambda each: each.wall_s, default=None)


def _known(plan: Plan, wall_s: float, run_dir: Path, state: RunState) -> _Known | None:
    """None for a run of other settings; a difference in the number of epochs is reckoned with."""
    try:
        before = read_plan(run_dir)
    except SdpaExpError:
        return None
    assert state.record is not None
    epochs, done = plan.train.epochs, before.train.epochs
    train = dataclasses.replace(before.train, epochs=epochs)
    if with_hardware_of(plan, before).group() != dataclasses.replace(before, train=train).group():
        return None
    if epochs != done:
        reached = state.epoch["epoch"] if state.epoch is not None else None
        if not epochs or not reached:
            return None
        by_epoch_s = sum(state.record.phases_s.get(phase, 0.0) for phase in _BY_EPOCH)
        wall_s += by_epoch_s / reached * (epochs - reached)
    environment = state.record.environment
    device = str(environment.get("gpu") or environment.get("cpu") or "another machine")
    return _Known(wall_s=wall_s, run_dir=run_dir, device=device, is_by_epoch=epochs != done)
