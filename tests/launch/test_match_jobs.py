"""A job of a sweep is known again by its plan: places, labels and folders may change."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import ConfigError
from sdpa_exp.launch.before_sweep import describe_sweep, with_keys
from sdpa_exp.launch.changes import changed_settings, changed_surroundings, named
from sdpa_exp.launch.match_jobs import folder_numbers, match_jobs
from sdpa_exp.runs.sweep import write_sweep
from tests.runs.folders import plan_for, record_for, whole_run


def plans(folder: Path, *jobs: tuple[str, int], **train: Any) -> list[Plan]:
    made = [plan_for(folder / f"{i}_{a}_seed{s}", arm=a, seed=s, num=i) for i, (a, s) in enumerate(jobs)]
    return [dataclasses.replace(plan, train=dataclasses.replace(plan.train, **train)) for plan in made]


@pytest.fixture
def sweep_dir(tmp_path: Path) -> Path:
    there = plans(tmp_path, ("stock", 0), ("flash", 0))
    write_sweep(with_keys(describe_sweep(there, tmp_path, "command", "stock"), there))
    whole_run(tmp_path / "0_stock_seed0", arm="stock")
    return tmp_path


def test_jobs_are_found_by_plan_and_new_ones_count_on(sweep_dir: Path) -> None:
    command = plans(sweep_dir, ("flash", 0), ("sdpa", 0), ("stock", 0), ("sdpa", 1))
    matches = match_jobs(sweep_dir, command)
    found = [match.before and match.before.run_dir.name for match in matches]
    assert found == ["1_flash_seed0", None, "0_stock_seed0", None]
    assert [match.plan.run_dir.name for match in matches if match.before] == ["1_flash_seed0", "0_stock_seed0"]
    assert [n for n, m in zip(folder_numbers(sweep_dir, matches), matches, strict=True) if not m.before] == [2, 3]
    assert not any(match.changes for match in matches)


def test_a_changed_setting_is_named_where_the_run_was_started(sweep_dir: Path) -> None:
    stock, flash = match_jobs(sweep_dir, plans(sweep_dir, ("stock", 0), ("flash", 0), epochs=7))
    assert stock.changes == {"train.epochs": (3, 7)}
    assert flash.before is not None
    assert flash.changes == {}, "it never was started, so that nothing was made with the old setting"


def test_labels_and_what_the_machine_chose_are_no_change(sweep_dir: Path) -> None:
    (plan,) = plans(sweep_dir, ("stock", 0), name="another name")
    left_open = dataclasses.replace(plan.hardware, device="auto", batch=None, price_per_kwh=0.3)
    assert changed_settings(plans(sweep_dir, ("stock", 0))[0], dataclasses.replace(plan, hardware=left_open)) == {}


def test_a_changed_margin_is_named(sweep_dir: Path) -> None:
    (plan,) = plans(sweep_dir, ("stock", 0))
    asked = dataclasses.replace(plan, compare=dataclasses.replace(plan.compare, alpha=0.1))
    assert changed_settings(plan, asked) == {"compare.alpha": (0.05, 0.1)}


def test_a_command_that_leaves_runs_out_is_refused(sweep_dir: Path) -> None:
    with pytest.raises(ConfigError, match=r"leaves out 1 of the 2 runs .*\(flash seed 0\): expected all of them"):
        match_jobs(sweep_dir, plans(sweep_dir, ("stock", 0), ("sdpa", 0)))
    with pytest.raises(ConfigError, match="a sweeper that chooses its jobs as it goes"):
        match_jobs(sweep_dir, [])


def test_code_libraries_machine_and_data_that_changed_are_named_and_unknown_ones_are_not(tmp_path: Path) -> None:
    then = {"versions": {"torch": "2.14", "mlflow": None}, "git": {"commit": "a" * 40}, "code": "1", "cpu": "x"}
    now = {"versions": {"torch": "2.15", "mlflow": "3"}, "git": {"commit": "b" * 40}, "code": "2", "cpu": "x"}
    record = record_for(
        plan_for(tmp_path), status="FINISHED", started_at="", ended_at="", environment=then, digests={"data_set": "d1"}
    )
    changes = changed_surroundings(record, now, "d2")
    assert changes == {"library torch": ("2.14", "2.15"), "code commit": ("a" * 40, "b" * 40), "data set": ("d1", "d2")}
    assert changed_surroundings(record, then, None) == {}
    assert changed_surroundings(record, {**then, "code": "2"}, "d1") == {"files of sdpa_exp": ("1", "2")}
    assert named([changes, {"data set": ("d1", "d2")}]) == [
        "library torch 2.14 -> 2.15 (1 run)",
        f"code commit {'a' * 12} -> {'b' * 12} (1 run)",
        "data set d1 -> d2 (2 runs)",
    ]
