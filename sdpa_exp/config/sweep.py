"""All jobs of a sweep, composed before the first one starts, exactly as Hydra's basic sweeper will compose them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import filter_overrides
from omegaconf import DictConfig, OmegaConf, open_dict

from sdpa_exp.config.compose import plan_from_config
from sdpa_exp.config.folders import sweep_dir
from sdpa_exp.config.plan import Job, Plan


def is_enumerable(config: DictConfig) -> bool:
    """Whether the jobs are known before the sweep: another sweeper than the basic one chooses as it goes."""
    return str(config.hydra.sweeper.get("_target_", "")).endswith(f".{BasicSweeper.__name__}")


def expand_sweep(config: DictConfig, loader: ConfigLoader, command: str) -> list[Plan]:
    """The Plan of every job, in the order they will run.

    Sweep parameters from config files come first, then the command line; a key that both name keeps its first place.

    Raises:
        ConfigError, HydraException, OmegaConfBaseException: a job that can't be composed or can't work.
    """
    sweeper = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    assert isinstance(sweeper, dict)
    lines = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    lines += [str(line) for line in config.hydra.overrides.task]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(lines)
    batches = BasicSweeper.split_arguments(overrides, sweeper.get("max_batch_size"))
    jobs = [job for batch in batches for job in batch]
    folder = str(sweep_dir(config))
    return [
        _plan(
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
        )
        for num, job in enumerate(jobs)
    ]


def _plan(config: DictConfig, loader: ConfigLoader, overrides: list[str], job: Job) -> Plan:
    cfg: Any = loader.load_sweep_config(config, overrides)
    with open_dict(cfg):
        cfg.hydra.job.id = job.num
        cfg.hydra.job.num = job.num
    return plan_from_config(cfg, replace(job, run_dir=str(Path(job.run_dir) / str(cfg.hydra.sweep.subdir))))
