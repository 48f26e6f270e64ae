"""What a task is: a dataclass whose fields are its options, with its checks and its work as methods.

`conf/task/<task>.yaml` names the class with `_target_` and holds the options, below the task's name. The parent reads
the class too, so that nothing heavy may be imported beside it: `run` imports what it needs.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.errors import ConfigError

if TYPE_CHECKING:
    from sdpa_exp.config.plan import Plan
    from sdpa_exp.runs.events import EventLog
    from sdpa_exp.runs.outcome import Outcome

PATH = {"is_path": True}
"""Metadata of an option that is a path: a relative one is taken from the folder that the command was typed in."""


@dataclass
class Task:
    """One task; the fields of a subclass are its options, of the types that OmegaConf knows.

    Attributes:
        is_compared: its sweeps end in a comparison of arms.
        trains: it trains by the recipe, so that `hardware.batch=auto` can be measured.
        needs_arm: the arm must be able to run here, which preflight finds out before a sweep starts.
        is_timed: times are among what it measures, so that nothing of ours shares its device.
        has_own_arms: its option `arms` says what runs, all in one process, so that `attention` can't be swept.
        purposes: what a model may be for, by Ultralytics' names of its tasks; None for all.
        takes_timm: it takes a classifier of timm, which nothing here trains.
        examines: it looks at an installation that may be broken, so that nothing heavy is imported on its behalf, no
            hardware is resolved beforehand, and no tracking store is asked or waited for.
        uses_device: False: it has no use for PyTorch and an accelerator, so that neither is looked for or waited for.
        in_parent: it reads folders and trains nothing, so that it gets no worker and can't be swept; `run_in_parent`
            is called instead of `run`.
    """

    is_compared: ClassVar[bool] = False
    trains: ClassVar[bool] = False
    needs_arm: ClassVar[bool] = True
    is_timed: ClassVar[bool] = True
    has_own_arms: ClassVar[bool] = False
    purposes: ClassVar[tuple[str, ...] | None] = None
    takes_timm: ClassVar[bool] = False
    examines: ClassVar[bool] = False
    uses_device: ClassVar[bool] = True
    in_parent: ClassVar[bool] = False

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The task's options in a plan."""
        return cls(**plan.options)

    def check(self, plan: Plan) -> None:
        """Refuse options that can't work; called before anything starts.

        Raises:
            ConfigError: one sentence about the first of them.
        """

    def named_arms(self, plan: Plan) -> list[str]:
        """The arms that a user has named: where none of them can run on this machine, the run is refused at once."""
        return [plan.arm] if self.needs_arm else []

    def reads_data(self, plan: Plan) -> bool:
        """Whether it wants the data set of the plan, which is then looked at before slow libraries are imported."""
        return self.needs_arm

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """Do the work, in the worker.

        Args:
            plan: resolved (no `None` or `auto` left in the hardware group), but for a task that
                examines or uses no device.
            event_log: open event log of the run folder.
            outcome: filled as results come, so that a failure keeps what was measured.
            started_perf_s: `time.perf_counter()` at the start of the process.
        """
        raise NotImplementedError

    def document(self, plan: Plan) -> dict[str, Any] | None:
        """What output=json shows of a task with `in_parent`, its exit code included; None where a run folder tells."""
        return None

    def run_in_parent(self, plan: Plan) -> int:
        """Do the work of a task with `in_parent`; returns the exit code."""
        raise NotImplementedError


def load_task(plan: Plan) -> Task:
    """The plan's task with its options.

    Raises:
        ConfigError: its class can't be found.
    """
    return task_class(plan.task.name, plan.task._target_ or _target_in_conf(plan.task.name)).of(plan)


def task_class(name: str, target: str) -> type[Task]:
    """The class that a task's file names.

    Raises:
        ConfigError: it can't be imported, is no task, or is not in a module of the task's name.
    """
    module, _, attribute = target.rpartition(".")
    if name != module.rpartition(".")[2]:
        raise ConfigError(
            f"task.name={name} can't work: expected {module.rpartition('.')[2]}, the module that "
            f"task._target_={target} names. Set task={name} for another task; --help lists them."
        )
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # where `python -m sdpa_exp` looks by itself
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"task={name} can't be loaded: {error}. Expected the class that task._target_={target} "
            f"names. Put the folder that has {module.partition('.')[0]} in it on PYTHONPATH, or start in it."
        ) from error
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise ConfigError(
            f"task={name} can't be loaded: task._target_={target} is no task. Expected a subclass of "
            f"sdpa_exp.config.task.Task."
        )
    return found


def _target_in_conf(name: str) -> str:
    """The class of one of our own tasks, for a plan that does not say it: older ones have the name alone."""
    file = conf_dir() / "task" / f"{name}.yaml"
    found = re.search(r"_target_: *(\S+)", file.read_text(encoding="utf-8")) if file.is_file() else None
    return found.group(1) if found else f"sdpa_exp.tasks.{name}.Task"


def path_options(cls: type[Task]) -> list[str]:
    """The options that are paths."""
    return [each.name for each in fields(cls) if each.metadata.get("is_path")]


def task_names() -> set[str]:
    """The tasks that conf/ has."""
    return {file.stem for file in (conf_dir() / "task").glob("*.yaml")}


def other_task(key: str) -> ConfigError:
    """The sentence for an option of a task that does not run."""
    task = key.partition(".")[0]
    return ConfigError(
        f"{key} is for task={task}, and another task was chosen: expected options of that one. Add task={task}, or "
        f"take {key} out."
    )
