"""Runs at the same time: timed ones don't share a CPU unasked, and all arms of a seed have one GPU."""

from __future__ import annotations

import dataclasses

import pytest

from sdpa_exp.config.launchers import Launcher
from sdpa_exp.errors import ConfigError
from sdpa_exp.launch.parallel_jobs import gpus_of_job, refuse_shared_cpu
from tests.config.composing import compose_plan

BESIDE = Launcher(name="joblib_sdpa", num_at_once=2, num_on_cpu=2)


def test_timed_runs_side_by_side_on_one_cpu_are_refused_with_both_ways_out() -> None:
    plans = [compose_plan("hardware=cpu")]
    with pytest.raises(ConfigError, match=r"hydra/launcher=joblib_sdpa would have 2 runs .* on one CPU") as refused:
        refuse_shared_cpu(plans, BESIDE, 0, allowed=False)
    assert "Leave hydra/launcher out; or, where accuracy is all you ask, add allow_shared_device" in str(refused.value)
    with pytest.raises(ConfigError, match="on one CPU"):
        refuse_shared_cpu([compose_plan()], BESIDE, 0, allowed=False)


def test_what_is_told_not_timed_or_not_shared_goes_through() -> None:
    plans = [compose_plan("hardware=cpu")]
    refuse_shared_cpu(plans, BESIDE, 0, allowed=True)
    refuse_shared_cpu(plans, Launcher(), 0, allowed=False)
    refuse_shared_cpu(plans, Launcher(name="ray_sdpa", num_at_once=4, num_on_cpu=1), 0, allowed=False)
    refuse_shared_cpu(plans, Launcher(name="slurm_sdpa", num_at_once=9, is_here=False), 0, allowed=False)
    refuse_shared_cpu([compose_plan()], BESIDE, 2, allowed=False)
    refuse_shared_cpu([compose_plan("hardware=cpu", "task=verify")], BESIDE, 0, allowed=False)


def test_all_arms_of_a_seed_get_one_gpu_and_one_that_the_user_named_stays() -> None:
    seeds = (0, 42, 7)
    found: dict[int, set[tuple[str, ...]]] = {}
    for line in ("attention=stock", "attention=sdpa"):
        for seed in seeds:
            plan = compose_plan(line, f"seed={seed}")
            plan = dataclasses.replace(plan, job=dataclasses.replace(plan.job, gpus=("GPU-a", "GPU-b")))
            found.setdefault(seed, set()).add(gpus_of_job(plan, seeds))
    assert found == {0: {("GPU-a",)}, 42: {("GPU-b",)}, 7: {("GPU-a",)}}
    named = compose_plan("hardware.device=cuda:1")
    named = dataclasses.replace(named, job=dataclasses.replace(named.job, gpus=("GPU-a", "GPU-b")))
    assert gpus_of_job(named, seeds) == ("GPU-a", "GPU-b")


def test_trials_of_a_search_share_the_gpus_although_they_have_one_seed() -> None:
    plan = compose_plan()
    jobs = [dataclasses.replace(plan.job, gpus=("GPU-a", "GPU-b"), num=num) for num in range(3)]
    assert [gpus_of_job(dataclasses.replace(plan, job=job), ()) for job in jobs] == [("GPU-a",), ("GPU-b",), ("GPU-a",)]
