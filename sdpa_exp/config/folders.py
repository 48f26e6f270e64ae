"""The folders that Hydra gives to runs and sweeps: ours alone from before anything is written, and well named."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf, flag_override

from sdpa_exp.config.overrides import sweep_overrides
from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import ConfigError, RunError
from sdpa_exp.runs.files import SWEEP_FILE
from sdpa_exp.runs.folder import is_used, make_folder, own_folder
from sdpa_exp.runs.sweep import SweepJob, read_sweep

_TIME_STAMP = "${now:"
_IN_NAME = ("attention", "attention.name", "seed")  # hydra.sweep.subdir in conf/config.yaml has them
_MAX_VALUE, _MAX_SUFFIX = 40, 100  # characters; file systems take 255 for a name


def own_run_folder(config: DictConfig) -> AbstractContextManager[object]:
    """Make `hydra.run.dir` and hold it; a folder named by the time gets a suffix where it is taken.

    With `resume` the folder is taken as it is.

    Raises:
        RunError: the folder was named by the user, and is in use or used.
    """
    return _own(config, "run", resumes=config.resume is not None)


def own_sweep_folder(config: DictConfig, plans: Sequence[Plan]) -> tuple[list[Plan], AbstractContextManager[object]]:
    """The same for `hydra.sweep.dir`; the plans come back with the folder that it became.

    A folder that holds a sweep is taken as it is, to complete it.

    Raises:
        RunError: the folder, or one of its jobs' folders, is in use or used.
    """
    planned = sweep_dir(config)
    overwrite = bool(config.run.overwrite)
    resumes = (planned / SWEEP_FILE).exists() and not overwrite
    owned = _own(config, "sweep", resumes=resumes)
    folder = sweep_dir(config)
    moved = [_moved(plan, planned, folder) for plan in plans]
    for plan in moved:
        if (
            is_used(plan.run_dir) and not resumes
        ):  # outside the sweep's folder, or beside a sweep of which sweep.json is gone
            with own_folder(plan.run_dir, key="hydra.sweep.dir", overwrite=overwrite):
                pass
    return moved, owned


def sweep_dir(config: DictConfig) -> Path:
    """The absolute sweep folder; asking for it fixes the time stamp in it for all jobs."""
    return Path(os.path.abspath(str(config.hydra.sweep.dir)))


def check_folders(plans: Sequence[Plan]) -> None:
    """Every job needs a folder of its own.

    Raises:
        ConfigError: two jobs have the same one.
    """
    seen: dict[str, Plan] = {}
    for plan in plans:
        first = seen.setdefault(os.path.normpath(plan.run_dir), plan)
        if first is not plan:
            a, b = (f"job {each.job.num + 1} ({' '.join(each.job.overrides)})" for each in (first, plan))
            raise ConfigError(
                f"hydra.sweep.subdir gives {a} and {b} the same folder, {plan.run_dir.name}: expected one for each "
                f"job. Leave it out, or put ${{hydra.job.num}} into it."
            )


def find_swept_keys(config: DictConfig, loader: ConfigLoader) -> list[str]:
    """The keys with several values, from config files and the command line, each once and in that order."""
    swept = (each for each in sweep_overrides(config, loader) if each.is_sweep_override())
    return list(dict.fromkeys(str(each.key_or_group) for each in swept))


def swept_suffix(_root_: DictConfig) -> str:
    """`_imgsz-320_model-yolo12s`: the values of this job for all swept keys but those in the name already.

    Letters, digits, dots and dashes stay; a long value or suffix is cut, and the job's number keeps names apart.
    """
    keys = [key for key in _root_.hydra.callbacks.sdpa_exp.swept or () if key not in _IN_NAME]
    lines = [str(line).lstrip("+").partition("=") for line in _root_.hydra.overrides.task]
    values = {key: value for key, _, value in lines}
    last = [key.rpartition(".")[2] for key in keys]
    names = [key if last.count(short) > 1 else short for key, short in zip(keys, last, strict=True)]
    parts = [f"_{_plain(name)}-{_plain(values.get(key, ''))}" for key, name in zip(keys, names, strict=True)]
    return "".join(parts)[:_MAX_SUFFIX]


def resumed_subdir(_root_: DictConfig) -> str:
    """The folder of a job in a sweep that is completed: the one that sweep.json names, below the sweep's own."""
    return os.path.relpath(_resumed_job(_root_).run_dir, sweep_dir(_root_))


def resumed_output_subdir(_root_: DictConfig) -> str | None:
    """None for a run that is kept, into which nothing is written."""
    return None if _resumed_job(_root_).is_kept else ".hydra"


def _resumed_job(root: DictConfig) -> SweepJob:
    return next(job for job in read_sweep(sweep_dir(root)).jobs if job.num == root.hydra.job.num)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_.-")[:_MAX_VALUE]


def _own(config: DictConfig, kind: str, *, resumes: bool) -> AbstractContextManager[object]:
    node: Any = config.hydra[kind]
    pattern = str(OmegaConf.to_container(node, resolve=False)["dir"])  # type: ignore[index,call-overload]
    folder = Path(os.path.abspath(str(node.dir)))
    key = f"hydra.{kind}.dir"
    if _TIME_STAMP in pattern:
        folder = make_folder(folder)
        owned = own_folder(folder, key=key)
    else:
        if kind == "run" and not resumes and not is_used(folder):
            _refuse_other_files(folder, key)
        owned = own_folder(folder, key=key, overwrite=bool(config.run.overwrite), resumes=resumes)
    with flag_override(config, ["struct", "readonly"], [False, False]):  # relative stays so: a path may hold a `${`
        config.hydra[kind].dir = str(folder) if os.path.isabs(node.dir) else os.path.relpath(folder)
    return owned


def _refuse_other_files(folder: Path, key: str) -> None:
    """A run's files would be lost among somebody's; what begins with a dot is nobody's work, or a lock of ours."""
    names = sorted(each.name for each in folder.iterdir() if each.name[0] != ".") if folder.is_dir() else []
    if names:
        some = ", ".join([*names[:3], *(["..."] if len(names) > 3 else [])])
        raise RunError(
            f"{folder} holds other files ({some}): expected a new or an empty folder. Choose another one with {key}=..."
        )


def _moved(plan: Plan, planned: Path, folder: Path) -> Plan:
    if not plan.run_dir.is_relative_to(planned):
        return replace(plan, job=replace(plan.job, sweep_dir=str(folder)))
    run_dir = folder / plan.run_dir.relative_to(planned)
    return replace(plan, job=replace(plan.job, run_dir=str(run_dir), sweep_dir=str(folder)))


# At import, since the processes of parallel launchers do no more than import what they call.
for _name, _resolver in (
    ("swept_keys", swept_suffix),
    ("resumed_subdir", resumed_subdir),
    ("resumed_output_subdir", resumed_output_subdir),
):
    OmegaConf.register_new_resolver(_name, _resolver, replace=True)
