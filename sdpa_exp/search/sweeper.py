"""`hydra/sweeper=search`: a Hydra sweeper on Optuna's ask, which asks the run folders what was learnt.

hydra-optuna-sweeper 1.3 is not used: pip can't install it beside an optuna above 2, its trials can't be resumed (jobs
count from 0 again, and a killed one stays RUNNING), and it ends with a traceback where no trial has a value.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from sdpa_exp.config.job_order import ARM_AXIS, SEED_AXIS
from sdpa_exp.config.objectives import NO_OPTUNA, resolved_objective
from sdpa_exp.config.overrides import sweep_overrides
from sdpa_exp.config.plan import Job, Plan
from sdpa_exp.config.schema import AUTO_BATCH
from sdpa_exp.config.sweep import plan_of
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.files import SWEEP_FILE
from sdpa_exp.runs.sweep import read_sweep, write_sweep
from sdpa_exp.search.study import propose, require_optuna, trials_of

_TARGET = "hydra_plugins.sdpa_exp.Search"  # a subclass of ours: Hydra makes no sweeper of another package
_OTHER = "hydra_plugins.hydra_optuna_sweeper"


class Search(Sweeper):
    """Launches the trials of a search until there are enough; those that were cut off before it come first."""

    def __init__(self, num_trials: int, at_once: int, params: Any = None) -> None:
        self._num_trials = num_trials
        self._at_once = at_once

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's, before `sweep`."""
        self._config = config
        self._loader = hydra_context.config_loader
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Choose and launch until the folder holds as many trials as were asked for."""
        folder = Path(os.path.abspath(self._config.hydra.sweep.dir))
        OmegaConf.save(self._config, folder / "multirun.yaml")
        fixed = [_line(each) for each in _parsed(self._config, self._loader) if not each.is_sweep_override()]
        tried: set[int] = set()
        while chosen := next_trials(folder, tried, num_trials=self._num_trials, at_once=self._at_once):
            tried |= chosen.keys()
            jobs = [[*fixed, *(f"{key}={value}" for key, value in params.items())] for params in chosen.values()]
            for done in self._launcher.launch(jobs, initial_job_idx=min(chosen)):
                _ = done.return_value  # raises what the job raised, a bug


def next_trials(folder: Path, tried: set[int], *, num_trials: int, at_once: int) -> dict[int, dict[str, Any]]:
    """Number -> settings of the next trials, with consecutive numbers; sweep.json has them before they start.

    Args:
        folder: of the sweep.
        tried: those that were launched by this command, and are not launched again.
        num_trials: that the search shall have in all.
        at_once: new ones to choose together.
    """
    with FileLock(folder / f"{SWEEP_FILE}.lock"):
        sweep = read_sweep(folder)
        trials = trials_of(sweep)
        left = next((trial for trial in trials if trial.state == "open" and trial.num not in tried), None)
        if left is not None:
            return {left.num: left.params}
        number = min(at_once, num_trials - len(trials))
        if number < 1:
            return {}
        first = 1 + max((trial.num for trial in trials), default=-1)
        chosen = dict(enumerate(propose(sweep, number), start=first))
        known = {**sweep.search["trials"], **{str(num): params for num, params in chosen.items()}}
        write_sweep(dataclasses.replace(sweep, search={**sweep.search, "trials": known}))
        return chosen


def is_search(config: DictConfig) -> bool:
    """Whether the sweep is a search of ours.

    Raises:
        ConfigError: it is one of hydra-optuna-sweeper, which can't do it.
    """
    target = str(config.hydra.sweeper.get("_target_", ""))
    if target.startswith(_OTHER):
        raise ConfigError(NO_OPTUNA)
    return target == _TARGET


def prepare_search(config: DictConfig, loader: ConfigLoader, command: str) -> tuple[Plan, dict[str, Any]]:
    """The plan at one corner of the space, by which all that can be known beforehand is checked, and `Sweep.search`.

    Raises:
        ConfigError: there is nothing to search, attention or seed is searched, or the objective can't work.
    """
    require_optuna()
    overrides = _parsed(config, loader)
    space = space_of(overrides)
    if config.hydra.sweeper.num_trials < 1 or config.hydra.sweeper.at_once < 1:
        raise ConfigError("hydra.sweeper.num_trials and at_once count trials: expected 1 or more of each.")
    corner = [
        f"{each.get_key_element()}={_first(space[str(each.get_key_element())])}"
        if each.is_sweep_override()
        else _line(each)
        for each in overrides
    ]
    plan = plan_of(config, loader, corner, Job(run_dir=str(config.hydra.sweep.dir), command=command))
    if plan.hardware.batch == AUTO_BATCH:
        raise ConfigError(
            "hardware.batch=auto is measured for one setting, and a search tries many: expected a number or null. Set "
            "hardware.batch=8."
        )
    return plan, {
        "objective": resolved_objective(plan),
        "num_trials": int(config.hydra.sweeper.num_trials),
        "seed": plan.seed,
        "space": space,
        "trials": {},
    }


def space_of(overrides: Iterable[Override]) -> dict[str, dict[str, Any]]:
    """Key -> what its values are drawn from, of the overrides that have several.

    Raises:
        ConfigError: there are none, or one must not be searched.
    """
    space = {str(each.get_key_element()): _space(each) for each in overrides if each.is_sweep_override()}
    if not space:
        raise ConfigError(
            "hydra/sweeper=search has nothing to search: expected settings to choose from. Add one or more, such as "
            "'train.lr0=tag(log,interval(0.001,0.1))' or train.momentum=0.8,0.9."
        )
    for key in space:
        if key.partition(".")[0] in (ARM_AXIS, "baseline"):
            raise ConfigError(
                f"{key} can't be searched, since the best of many trials favours what was lucky: expected a "
                f"comparison, which trains all arms with the same seeds. Leave out hydra/sweeper=search, and take one "
                f"{ARM_AXIS} for a search."
            )
        if key == SEED_AXIS:
            raise ConfigError(
                "seed can't be searched, since the best seed is nothing but luck: expected one seed for all trials. "
                "Write seed=0, and seeds=one where you chose a set of seeds."
            )
    return space


def _parsed(config: DictConfig, loader: ConfigLoader) -> list[Override]:
    """Every override; of a key that stands twice the last one counts."""
    return list({each.get_key_element(): each for each in sweep_overrides(config, loader)}.values())


def _line(override: Override) -> str:
    return f"{override.get_key_element()}={override.get_value_element_as_str()}"


def _space(override: Override) -> dict[str, Any]:
    value: Any = override.value()
    if isinstance(value, IntervalSweep):
        is_int = all(isinstance(number, int) for number in (value.start, value.end))
        return {"kind": "int" if is_int else "float", "low": value.start, "high": value.end, "log": "log" in value.tags}
    if isinstance(value, RangeSweep) and not value.shuffle:
        numbers: list[Any] = list(override.sweep_iterator())  # Hydra leaves the end of a range out
        kind = "int" if all(isinstance(number, int) for number in numbers) else "float"
        return {"kind": kind, "low": numbers[0], "high": numbers[-1], "step": value.step}
    return {"kind": "choice", "choices": [str(each) for each in override.sweep_string_iterator()]}


def _first(space: dict[str, Any]) -> Any:
    return space["choices"][0] if space["kind"] == "choice" else space["low"]
