"""A sweeper that looks for the best setting gets the declared primary metrics, in directions that fit them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from sdpa_exp.config.objectives import check_directions, num_objectives
from sdpa_exp.errors import ConfigError
from sdpa_exp.launch.before_sweep import describe_sweep, register_job
from sdpa_exp.launch.launch import objectives
from sdpa_exp.runs.sweep import read_sweep, write_sweep
from tests.config.composing import compose_plan


def config(direction: Any) -> Any:
    primary = {"accuracy": {"metric": "mAP50-95"}, "speed": {"metric": "train_s"}}
    return OmegaConf.create({"hydra": {"sweeper": {"direction": direction}}, "compare": {"primary": primary}})


@pytest.mark.parametrize("direction", [None, "maximize", ["maximize"], ["maximize", "minimize"]])
def test_a_direction_that_fits_the_metric_is_taken(direction: Any) -> None:
    check_directions(config(direction))
    assert num_objectives(config(direction).hydra) == (len(direction) if isinstance(direction, list) else None)


@pytest.mark.parametrize(
    ("direction", "words"),
    [
        (
            "minimize",
            "would look for the worst mAP50-95, of which higher is better: expected maximize. Set hydra.sweeper",
        ),
        (
            ["maximize", "maximize"],
            "would look for the worst train_s, of which lower is better: expected minimize. Set",
        ),
        (["maximize"] * 3, "has 3 directions, and compare.primary has 2 metrics: expected at most as many."),
    ],
)
def test_a_direction_towards_the_worst_is_refused(direction: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_directions(config(direction))
    assert words in str(caught.value)


def test_directions_without_a_metric_are_refused_in_a_sentence() -> None:
    bare = OmegaConf.create({"hydra": {"sweeper": {"direction": "maximize"}}, "compare": {"primary": {}}})
    with pytest.raises(ConfigError, match=r"has 1 directions, and compare\.primary has 0 metrics"):
        check_directions(bare)


def test_a_run_is_worth_its_primary_metrics_and_nan_where_it_failed() -> None:
    plan: Any = SimpleNamespace(
        compare=SimpleNamespace(primary=config(None).compare.primary), objective=SimpleNamespace(metric=None)
    )
    record: Any = SimpleNamespace(exit_code=0, metrics={"mAP50-95": 0.25, "train_s": None})
    assert objectives(plan, record, None) == 0.25
    first, second = objectives(plan, record, 2)  # type: ignore[misc]
    assert (first, math.isnan(second)) == (0.25, True)
    for nothing in (None, SimpleNamespace(exit_code=7, metrics={"mAP50-95": 0.25})):
        assert math.isnan(objectives(plan, nothing, None))  # type: ignore[arg-type]


def test_trials_that_were_not_known_beforehand_are_in_the_sweep(tmp_path: Path) -> None:
    write_sweep(describe_sweep([], tmp_path, "command", None))
    plan = compose_plan("attention=stock")
    for num in (0, 1, 1):
        job = dataclasses.replace(plan.job, run_dir=str(tmp_path / f"{num}_stock"), num=num)
        register_job(tmp_path, dataclasses.replace(plan, job=job))
    sweep = read_sweep(tmp_path)
    assert [job.run_dir.name for job in sweep.jobs] == ["0_stock", "1_stock"]
    assert (sweep.arms, sweep.seeds, sweep.baseline) == (("stock",), (0,), "stock")
