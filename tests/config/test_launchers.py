"""Hydra's launchers: what is at work at once and where, and what jobs in other processes are told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from sdpa_exp.config.launchers import Launcher, go_to, launcher_of, not_installed, told
from sdpa_exp.errors import ConfigError, RunError
from tests.config.composing import compose_plan

BESIDE = Launcher(name="joblib_sdpa", num_at_once=2)
PLANS = [compose_plan()]


def _launcher(target: str, *, num_jobs: int = 10, num_gpus: int = 0, **keys: Any) -> Launcher:
    config = OmegaConf.create(
        {
            "hydra": {
                "launcher": {"_target_": f"a.plugin.{target}", **keys},
                "runtime": {"choices": {"hydra/launcher": "mine"}},
            }
        }
    )
    OmegaConf.set_readonly(config, True)
    return launcher_of(config, PLANS, num_jobs=num_jobs, num_gpus=num_gpus, num_cores=6)


def test_a_launcher_is_known_by_how_many_jobs_it_has_at_work_and_where() -> None:
    assert _launcher("BasicLauncher") == Launcher(name="basic", num_at_once=1)
    assert _launcher("JoblibLauncher", n_jobs=3).num_at_once == 3
    assert _launcher("JoblibLauncher", n_jobs=3, num_jobs=2).num_at_once == 2
    assert _launcher("JoblibLauncher", n_jobs=-1).num_at_once == 6
    local = _launcher("LocalLauncher", timeout_min=5)
    assert (local.num_at_once, local.limit_s) == (10, 300.0)


@pytest.mark.parametrize(("name", "target"), [("ray", "RayLauncher"), ("ray_aws", "RayAWSLauncher")])
def test_hydras_launcher_for_ray_is_refused_installed_or_not(name: str, target: str) -> None:
    words = r"hydra/launcher=ray and ray_aws can't be used: hydra-ray-launcher wants a cloudpickle below 3"
    with pytest.raises(ConfigError, match=words):
        _launcher(target)
    assert "Expected hydra/launcher=ray_sdpa" in str(not_installed("hydra/launcher", name))


def test_slurm_is_asked_for_the_partition_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinfo = tmp_path / "sinfo"
    sinfo.write_text("#!/bin/sh\necho gpu\necho long\n", encoding="utf-8")
    sinfo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    limits = {"timeout_min": 5, "signal_delay_s": 90}
    slurm = _launcher("SlurmLauncher", array_parallelism=4, partition="gpu,long", **limits)
    assert (slurm.num_at_once, slurm.is_here, slurm.is_queued, slurm.limit_s) == (4, False, True, 210.0)
    with pytest.raises(
        ConfigError, match=r"hydra\.launcher\.partition=gpus can't work: expected one of gpu, long, which"
    ):
        _launcher("SlurmLauncher", array_parallelism=4, partition="gpus")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"hydra/launcher=mine finds no Slurm here: expected sinfo, sbatch and srun"):
        _launcher("SlurmLauncher", array_parallelism=4, partition=None)


@pytest.mark.parametrize(("num_gpus", "expected"), [(4, 4), (1, 1), (0, 2)])
def test_zero_jobs_at_once_are_one_for_each_gpu(num_gpus: int, expected: int) -> None:
    assert _launcher("JoblibLauncher", n_jobs=0, num_gpus=num_gpus).num_at_once == expected


def test_jobs_elsewhere_are_told_absolute_folders_whatever_is_in_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "it's a = {folder}, 50%"
    odd.mkdir()
    monkeypatch.chdir(odd)
    lines = {
        each.key_or_group: each.value() for each in OverridesParser.create().parse_overrides(told(BESIDE, "s", []))
    }
    assert str(lines["hydra.sweep.dir"]) == str(odd / "s")
    monkeypatch.chdir(tmp_path)
    go_to(str(lines["hydra.callbacks.sdpa_exp.cwd"]))
    assert Path.cwd() == odd
    go_to(None)
    assert Path.cwd() == odd


def test_gpus_are_told_to_jobs_on_this_machine_alone() -> None:
    assert told(BESIDE, "s", ["GPU-1", "GPU-2"])[-1] == '++hydra.callbacks.sdpa_exp.gpus=["GPU-1", "GPU-2"]'
    slurm = Launcher(name="slurm_sdpa", num_at_once=4, is_here=False)
    assert "gpus" not in " ".join(told(slurm, "s", ["GPU-1"]))
    ray = Launcher(name="ray_sdpa", num_at_once=2, gives_gpus=True)
    assert "gpus" not in " ".join(told(ray, "s", ["GPU-1", "GPU-2"])), "Ray shows each job its own"
    assert told(Launcher(), "s", ["GPU-1"]) == ['hydra.sweep.dir="s"']


def test_a_node_without_the_folder_says_so() -> None:
    with pytest.raises(RunError, match=r"/no/such is not there on node \S+: expected the folder that the command was"):
        go_to("/no/such")
    assert os.getcwd()
