"""The tasks by name: what a worker does, and what the parent must know about it before it starts one.

Read by the parent too, so that nothing heavy is imported here: a task's module is imported when it runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sdpa_exp.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task.

    Attributes:
        entry: `module:function`.
        is_compared: its sweeps end in a comparison of arms.
        needs_arm: the arm must be able to run here, which preflight finds out before a sweep starts.
        examines: it looks at an installation that may be broken, so that nothing heavy is imported on its behalf, no
            hardware is resolved beforehand, and no tracking store is asked or waited for.
        in_parent: it reads folders and trains nothing, so that it gets no worker and can't be swept; its function takes
            the plan and returns an exit code.
    """

    entry: str
    is_compared: bool = False
    needs_arm: bool = True
    examines: bool = False
    in_parent: bool = False

    def load(self) -> Callable[..., Any]:
        """Import the function: `task(plan, event log, outcome, *, started_perf_s)`, as in tasks/train/work.py."""
        module, _, name = self.entry.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function


TASKS: dict[str, Task] = {
    "train": Task(entry="sdpa_exp.tasks.train.work:train", is_compared=True),
    "bench": Task(entry="sdpa_exp.tasks.bench.work:bench", needs_arm=False),
    "verify": Task(entry="sdpa_exp.tasks.verify.work:verify"),
    "profile": Task(entry="sdpa_exp.tasks.profile.work:profile"),
    "doctor": Task(entry="sdpa_exp.tasks.doctor.work:doctor", needs_arm=False, examines=True),
    "setup_trial": Task(entry="sdpa_exp.tasks.setup_trial.work:setup_trial", needs_arm=False),
    "predict": Task(entry="sdpa_exp.tasks.predict.work:predict", needs_arm=False),  # it has precisions of its own
    "compare": Task(entry="sdpa_exp.tasks.compare.work:compare", needs_arm=False, in_parent=True),
    "sync": Task(entry="sdpa_exp.tasks.sync.work:sync", needs_arm=False, in_parent=True),
}


def get_task(name: str) -> Task:
    """The task with this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in TASKS:
        raise ConfigError(f"task={name} does not exist: expected one of {', '.join(TASKS)}. See --help.")
    return TASKS[name]
