"""Hydra's launchers: how many jobs of a sweep are at work at once, where, and which package brings them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from omegaconf import DictConfig, OmegaConf, flag_override

from sdpa_exp.config.habits import LAUNCHERS
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.ray_cluster import Node, connected, nodes_of, require_ray, share_of_run
from sdpa_exp.config.resume import quoted
from sdpa_exp.config.submitit_jobs import require_slurm
from sdpa_exp.errors import ConfigError, RunError

BASIC = "basic"
_IN_EXTRA = ("hydra-joblib-launcher", "hydra-submitit-launcher")  # of pyproject.toml, `scale`
_NO_RAY = (
    "hydra/launcher=ray and ray_aws can't be used: hydra-ray-launcher wants a cloudpickle below 3, where joblib and "
    "Ultralytics' training on several GPUs want a newer one. Expected hydra/launcher=ray_sdpa, which runs the jobs on "
    "Ray without it. Write that in its place."
)
_ONE_FOR_EACH_GPU = 0  # hydra.launcher.n_jobs, which joblib itself would refuse


@dataclass(frozen=True, kw_only=True)
class Launcher:
    """What starts the jobs of a sweep.

    Attributes:
        name: as in hydra/launcher=NAME.
        num_at_once: jobs at work at once, at most.
        num_on_cpu: of those, how many share a CPU, if that is where they run.
        way_out: what to leave out, where those are too many.
        is_queued: submitit starts them.
        is_here: they run on this machine; else on nodes that this process knows nothing of.
        limit_s: after which a job is told to end, in seconds; None where there is none.
        gives_gpus: each job sees the GPUs that it may use, and no other.
        cluster: of Ray, as in hydra.launcher; None elsewhere.
    """

    name: str = BASIC
    num_at_once: int = 1
    num_on_cpu: int = 1
    way_out: str = "hydra/launcher"
    is_here: bool = True
    is_queued: bool = False
    limit_s: float | None = None
    gives_gpus: bool = False
    cluster: dict[str, Any] | None = None


def launcher_of(config: DictConfig, plans: Sequence[Plan], *, num_jobs: int, num_gpus: int, num_cores: int) -> Launcher:
    """The launcher of a sweep; what its settings leave open is filled in.

    Args:
        config: of the sweep, with Hydra's part.
        plans: of the sweep, one or more.
        num_jobs: of the sweep.
        num_gpus: that this process sees.
        num_cores: that this process may use.

    Raises:
        ConfigError: Slurm or Ray is not here, or has not what is asked for; or it is hydra-ray-launcher.
    """
    name = str(config.hydra.runtime.choices["hydra/launcher"])
    target, node = _class_name(config), config.hydra.launcher
    if target == "BasicLauncher":
        return Launcher()
    if target.startswith("Ray"):
        raise ConfigError(_NO_RAY)
    if target == "SlurmLauncher":
        require_slurm(name, node.get("partition"))
        num, limit_s = min(num_jobs, node.array_parallelism), 60.0 * node.timeout_min - node.signal_delay_s
        return Launcher(name=name, num_at_once=num, is_here=False, is_queued=True, limit_s=limit_s)
    if target == "RunsOnRay":
        return _on_ray(config, plans, num_jobs=num_jobs, num_gpus=num_gpus, num_cores=num_cores)
    if target != "JoblibLauncher":
        is_local = target == "LocalLauncher"
        limit_s = 60.0 * node.timeout_min if is_local else None
        return Launcher(name=name, num_at_once=num_jobs, num_on_cpu=num_jobs, is_queued=is_local, limit_s=limit_s)
    if node.n_jobs == _ONE_FOR_EACH_GPU:
        with flag_override(config, ["struct", "readonly"], [False, False]):
            node.n_jobs = num_gpus or 2
    num = node.n_jobs if node.n_jobs > 0 else max(1, num_cores + 1 + node.n_jobs)  # joblib: -1 is all, -2 all but one
    num = min(num_jobs, num)
    return Launcher(name=name, num_at_once=num, num_on_cpu=num)


def _on_ray(config: DictConfig, plans: Sequence[Plan], *, num_jobs: int, num_gpus: int, num_cores: int) -> Launcher:
    name = str(config.hydra.runtime.choices["hydra/launcher"])
    require_ray(name)
    node = config.hydra.launcher
    with flag_override(config, ["struct", "readonly"], [False, False]):
        if is_here := node.init.address is None:
            node.init.num_cpus = node.init.num_cpus or num_cores
            node.init.num_gpus = num_gpus if node.init.num_gpus is None else node.init.num_gpus
            nodes = [Node(name="this machine", num_cpus=node.init.num_cpus, num_gpus=node.init.num_gpus)]
        else:
            with connected(_plain(node)) as ray:
                nodes = nodes_of(ray)
        cpus, gpus = share_of_run(
            _plain(node), nodes, [plan.hardware for plan in plans], shares_cpu=config.allow_shared_device
        )
        node.num_cpus, node.num_gpus = cpus, gpus
    beside = [each.num_beside(cpus, gpus) for each in nodes]
    on_cpu = gpus == 0 or any(plan.hardware.device == "cpu" for plan in plans)
    return Launcher(
        name=name,
        num_at_once=min(num_jobs, sum(beside)),
        num_on_cpu=min(num_jobs, max(beside)) if on_cpu else 1,
        way_out="hydra.launcher.num_cpus",
        is_here=is_here,
        gives_gpus=True,
        cluster=None if is_here else _plain(node),
    )


def _plain(node: Any) -> dict[str, Any]:
    return OmegaConf.to_container(node, resolve=True)  # type: ignore[return-value]


def told(launcher: Launcher, sweep_dir: str, gpus: Sequence[str]) -> list[str]:
    """The overrides by which jobs, in whatever process and on whatever node, know where to write and what to see.

    Args:
        launcher: of the sweep.
        sweep_dir: relative where it was typed so.
        gpus: UUIDs of those that this process sees.
    """
    if launcher.name == BASIC:  # this process runs the jobs; a path that stays relative may hold a `${`
        return [f"hydra.sweep.dir={quoted(sweep_dir)}"]
    lines = [f"hydra.sweep.dir={quoted(os.path.abspath(sweep_dir))}"]
    lines.append(f"++hydra.callbacks.sdpa_exp.cwd='{quote(os.getcwd(), safe='')}'")
    if launcher.is_here and gpus and not launcher.gives_gpus:  # submitit hides them from its jobs
        lines.append(f"++hydra.callbacks.sdpa_exp.gpus={json.dumps(list(gpus))}")
    return lines


def go_to(cwd: str | None) -> None:
    """In a job: the folder that the command was typed in, since paths start there; `cwd` as `told` gave it.

    Raises:
        RunError: this node has no such folder.
    """
    place = unquote(cwd or ".")
    try:
        os.chdir(place)
    except OSError as error:
        raise RunError(
            f"{place} is not there on node {platform.node()}: expected the folder that the command was typed in, since "
            "paths start in it. Type it on a disk that all nodes share."
        ) from error


def not_installed(group: str, option: str) -> ConfigError | None:
    """The sentence for a launcher or sweeper of which the package is missing; None for another option."""
    package = LAUNCHERS.get(option)
    if group not in ("hydra/launcher", "hydra/sweeper") or package is None:
        return None
    if option.startswith("ray"):
        return ConfigError(_NO_RAY)
    extra = " or `pip install 'sdpa-exp[scale]'`" if package in _IN_EXTRA else ""
    return ConfigError(f"{group}={option} is not installed: expected {package}. Run `pip install {package}`{extra}.")


def _class_name(config: DictConfig) -> str:
    node: Any = config.hydra.launcher
    return str(node.get("_target_", "")).rpartition(".")[2]
