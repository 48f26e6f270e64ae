"""Findings about when runs ran: each provoked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare.run_compare import read_and_compare
from tests.compare.folders import RunSpec, write_sweep

if TYPE_CHECKING:
    from pathlib import Path


from tests.compare.findings.provoke import SEEDS, clean, found, only


def test_an_arm_that_ran_entirely_before_the_other_is_confounded_with_time(tmp_path: Path) -> None:
    specs = [RunSpec(arm=arm, seed=seed) for arm in ("stock", "sdpa") for seed in SEEDS]
    sentence = only(read_and_compare(write_sweep(tmp_path, specs)), "order-confounded", "warning")
    assert sentence.startswith("All runs of stock came before all runs of sdpa")


def test_the_clock_of_the_runs_decides_about_their_order(tmp_path: Path) -> None:
    specs = clean()
    for minute, spec in zip((0, 20, 10, 30), specs, strict=True):
        spec.started_at = f"2026-11-21T10:{minute:02}:00+00:00"
        spec.ended_at = f"2026-11-21T10:{minute + 9:02}:00+00:00"
    assert "All runs of stock came before" in only(
        read_and_compare(write_sweep(tmp_path, specs)), "order-confounded", "warning"
    )


def test_runs_that_overlapped_are_a_warning(tmp_path: Path) -> None:
    specs = clean()
    for minute, spec in zip((0, 10, 20, 30), specs, strict=True):
        spec.started_at = f"2026-11-21T10:{minute:02}:00+00:00"
        spec.ended_at = f"2026-11-21T10:{minute + 11:02}:00+00:00"
    sentence = only(read_and_compare(write_sweep(tmp_path / "a", specs)), "runs-overlapped", "warning")
    assert "3 pairs of runs were on one device at the same time (stock seed 0 and sdpa seed 0, for one)" in sentence
    specs[0].ended_at = "2026-11-21T10:59:00+00:00"
    sentence = only(read_and_compare(write_sweep(tmp_path / "b", specs)), "runs-overlapped", "warning")
    assert "5 pairs of runs" in sentence, "not of neighbours in time alone"


def test_a_run_that_waited_for_the_gpu_overlapped_with_none(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.started_at, spec.ended_at = "2026-11-21T10:00:00+00:00", "2026-11-21T10:30:00+00:00"
        spec.warnings = [{"code": "gpu_waited", "message": "waiting for another run to end"}]
    assert not found(read_and_compare(write_sweep(tmp_path / "a", specs)), "runs-overlapped")
    for spec in specs:
        spec.warnings = [{"code": "other_runs_on_gpu", "message": "another run ran on this GPU at the same time"}]
    comparison = read_and_compare(write_sweep(tmp_path / "b", specs))
    assert "their times mean nothing" in found(comparison, "runs-overlapped")[0][1]
    assert "ran on this GPU at the same time" in found(comparison, "other_runs_on_gpu")[0][1]


@pytest.mark.parametrize("key", ["host", "gpu_uuid"])
def test_runs_at_the_same_time_on_two_devices_don_t_disturb_each_other(tmp_path: Path, key: str) -> None:
    specs = clean()
    for number, spec in enumerate(specs):
        spec.started_at, spec.ended_at = "2026-11-21T10:00:00+00:00", "2026-11-21T10:30:00+00:00"
        spec.environment = {**spec.environment, key: f"one of {number}"}
    assert not found(read_and_compare(write_sweep(tmp_path, specs)), "runs-overlapped")
