"""All jobs of a sweep, composed before the first one starts, exactly as Hydra's basic sweeper will compose them."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from hydra.core.utils import filter_overrides
from omegaconf import DictConfig, open_dict
from rich.console import Console
from rich.progress import track

from sdpa_exp.config.compose import plan_from_config
from sdpa_exp.config.folders import sweep_dir
from sdpa_exp.config.job_order import in_turns
from sdpa_exp.config.overrides import sweep_overrides
from sdpa_exp.config.plan import Job, Plan
from sdpa_exp.errors import ConfigError

_MANY = 100  # each takes a tenth of a second or more


def is_enumerable(config: DictConfig) -> bool:
    """Whether the jobs are known before the sweep: another sweeper than the basic one chooses as it goes."""
    return str(config.hydra.sweeper.get("_target_", "")).endswith(".BasicSweeper")


def expand_sweep(
    config: DictConfig, loader: ConfigLoader, command: str, folder_nums: Sequence[int] | None = None
) -> list[Plan]:
    """The Plan of every job, in the order they will run.

    Sweep parameters from config files come first, then the command line; a key that both name keeps its first place.
    Arms turn round at every other seed.

    Args:
        config: of the sweep.
        loader: Hydra's.
        command: the command line.
        folder_nums: the numbers that the jobs' folders are named for; None takes their places.

    Raises:
        ConfigError, HydraException, OmegaConfBaseException: a job that can't be composed or can't work.
    """
    jobs = in_turns(combinations(sweep_overrides(config, loader)))
    folder = str(sweep_dir(config))
    return [
        plan_of(
            config,
            loader,
            job,
            Job(
                run_dir=folder,
                sweep_dir=folder,
                num=num,
                num_jobs=len(jobs),
                command=command,
                overrides=tuple(filter_overrides(job)),
            ),
            num if folder_nums is None else folder_nums[num],
        )
        for num, job in enumerate(_shown(jobs))
    ]


def stop_at_list(config: DictConfig, plans: Sequence[Plan]) -> None:
    """Where `--cfg job -m` asks for it, print a line for each job, in the order they would run, and exit.

    Raises:
        SystemExit: it was asked for.
    """
    if not config.hydra.callbacks.sdpa_exp.get("lists"):
        return
    lines = [f"job {plan.job.num + 1}/{len(plans)}  {plan.title}:  {' '.join(plan.job.overrides)}" for plan in plans]
    lines = lines or ["This sweeper chooses its jobs as it goes: there is no list of them beforehand."]
    lines.append("Nothing was started. --cfg job without -m, and one value a key, shows all of one job.")
    sys.stdout.write("\n".join(lines) + "\n")
    raise SystemExit(0)


def _shown(jobs: list[list[str]]) -> Iterable[list[str]]:
    """The jobs, with a bar on the terminal where composing them takes long."""
    if len(jobs) < _MANY:
        return jobs
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"{len(jobs)} jobs are composed and checked before the first one starts.")
    return track(jobs, description="composing jobs", console=console, transient=True, disable=not console.is_terminal)


def combinations(overrides: Sequence[Override]) -> list[list[str]]:
    """The overrides of every job, as Hydra's basic sweeper combines them: the last key varies fastest.

    Raises:
        ConfigError: an interval, which only another sweeper can draw from.
    """
    axes: dict[str, list[str]] = {}
    for override in overrides:
        if not override.is_sweep_override():
            values = [str(override.get_value_element_as_str())]
        elif override.is_discrete_sweep():
            values = [str(value) for value in override.sweep_string_iterator()]
        else:
            raise ConfigError(
                f"{override.input_line} has no jobs that can be counted: expected single values. List some, or "
                f"add hydra/sweeper=search, which draws from it."
            )
        key = override.get_key_element()
        axes[key] = [f"{key}={value}" for value in values]
    return [list(job) for job in itertools.product(*axes.values())]


def plan_of(
    config: DictConfig, loader: ConfigLoader, overrides: list[str], job: Job, folder_num: int | None = None
) -> Plan:
    """The Plan of one job of a sweep, below the folder in `job`; its folder is named for `folder_num`, else `job.num`.

    Raises:
        ConfigError, HydraException, OmegaConfBaseException: it can't be composed or can't work.
    """
    cfg: Any = loader.load_sweep_config(config, overrides)
    with open_dict(cfg):
        cfg.hydra.job.id = cfg.hydra.job.num = job.num if folder_num is None else folder_num
    return plan_from_config(cfg, replace(job, run_dir=str(Path(job.run_dir) / str(cfg.hydra.sweep.subdir))))
