"""A comparison that was looked at before is tested at a level that keeps its error rate, and says so."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare.run_compare import compare_runs, compare_sweep, read_and_compare
from sdpa_exp.config.schema import CompareConfig
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.sweep import read_sweep, write_sweep
from tests.compare.findings.provoke import found
from tests.compare.folders import turning
from tests.compare.folders import write_sweep as write_runs
from tests.config.composing import compose_plan

if TYPE_CHECKING:
    from pathlib import Path

ARMS = ["stock", "sdpa"]


def sweep(folder: Path, seeds: list[int], *, begun_at: str, max_seeds: int | None = None) -> Path:
    write_runs(folder, turning(ARMS, seeds))
    content = dataclasses.replace(read_sweep(folder), seeds=tuple(seeds), begun_at=begun_at, max_seeds=max_seeds)
    write_sweep(content)
    return folder


def test_a_sweep_with_all_its_seeds_is_tested_at_the_whole_level(tmp_path: Path) -> None:
    comparison = read_and_compare(sweep(tmp_path / "a", [0, 1, 2], begun_at="2026-11-01"))
    assert (comparison.alpha, comparison.findings) == (0.05, ())


def test_a_first_look_at_declared_seeds_spends_a_part_of_the_level(tmp_path: Path) -> None:
    comparison = read_and_compare(sweep(tmp_path / "a", [0, 1, 2, 3, 4], begun_at="2026-11-01", max_seeds=10))
    assert comparison.alpha == pytest.approx(0.05 * 0.6201, rel=1e-3)  # ln(1 + (e - 1) / 2)
    ((severity, sentence),) = found(comparison, "interim-look")
    assert severity == "info"
    assert sentence == (
        "The comparison is tested at 3.1 %: it is at 5 of 10 declared seeds, and all looks together keep 5 %."
    )


def test_sweeps_that_are_compared_together_are_looks_at_one_comparison(tmp_path: Path) -> None:
    first = sweep(tmp_path / "a", [0, 1, 2, 3, 4], begun_at="2026-11-01", max_seeds=10)
    second = sweep(tmp_path / "b", [5, 6, 7, 8, 9], begun_at="2026-11-02", max_seeds=10)
    comparison = compare_runs([second, first], baseline=None, config=CompareConfig(), out_dir=tmp_path / "out")
    assert comparison.alpha == pytest.approx(0.0277, abs=1e-4)
    assert "at 10 seeds, after looks at 5, and all looks together keep 5 %" in found(comparison, "interim-look")[0][1]


def test_seeds_added_without_a_declaration_are_said_and_hardly_cost_error(tmp_path: Path) -> None:
    compare_sweep(sweep(tmp_path / "a", [0, 1], begun_at="2026-11-01"))
    comparison = read_and_compare(sweep(tmp_path / "b", [0, 1, 2, 3, 4], begun_at="2026-11-02"))
    ((severity, sentence),) = found(comparison, "extended")
    assert severity == "warning"
    assert "it is at 5 seeds, after looks at 2, and the first 2 seeds had spent the whole 5 %" in sentence
    assert "less than 6 % over all looks. Declare compare.max_seeds before the first sweep" in sentence
    assert comparison.alpha < 0.01


@pytest.mark.parametrize("change", ["other arms", "other settings", "not compared", "later"])
def test_what_was_no_look_at_the_same_seeds_changes_nothing(change: str, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    arms, batch = (["stock", "math"], 16) if change == "other arms" else (ARMS, 8 if change == "other settings" else 16)
    write_runs(folder, turning(arms, [0, 1], batch=batch))
    begun_at = "2026-12-01" if change == "later" else "2026-11-01"
    write_sweep(dataclasses.replace(read_sweep(folder), seeds=(0, 1), begun_at=begun_at))
    if change != "not compared":
        compare_sweep(folder)
    assert read_and_compare(sweep(tmp_path / "b", [0, 1, 2], begun_at="2026-11-02")).alpha == 0.05


def test_fewer_declared_seeds_than_the_sweep_has_are_refused() -> None:
    from sdpa_exp.config.validate import check_sweep

    plan = compose_plan("compare.max_seeds=1")
    plans = [dataclasses.replace(plan, seed=seed) for seed in (0, 1)]
    with pytest.raises(ConfigError, match=r"compare\.max_seeds=1 .* at least the 2 seeds of this sweep"):
        check_sweep(plans)


def test_a_sweep_that_was_resumed_with_more_seeds_after_its_comparison_was_looked_at(tmp_path: Path) -> None:
    folder = sweep(tmp_path / "a", [0, 1, 2, 3, 4], begun_at="2026-11-01", max_seeds=5)
    entry = {"num_added": 6, "arms_added": [], "seeds_added": [2, 3, 4], "num_finished": 4, "was_compared": True}
    write_sweep(dataclasses.replace(read_sweep(folder), resumed=(entry,)))
    assert (
        "at 5 seeds, after looks at 2, and all looks together" in found(read_and_compare(folder), "interim-look")[0][1]
    )
