"""What MLflow is given about a comparison."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sdpa_exp.compare.report.tracking import MAX_TAG, parent_metrics, parent_note, parent_tags
from sdpa_exp.compare.run_compare import read_and_compare
from tests.compare.folders import RunSpec, crossed, write_sweep

if TYPE_CHECKING:
    from pathlib import Path


def test_metrics_and_tags_sort_sweeps_by_verdict(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, crossed(["stock", "sdpa"], [0, 1, 2])))
    metrics, tags = parent_metrics(comparison), parent_tags(comparison)
    assert tags["verdict.speed.sdpa"] == "different"
    assert tags["findings"] == "none"
    assert metrics["compare/speed/sdpa/relative"] < -0.1
    assert metrics["compare/speed/sdpa/pairs"] == 3
    assert 0 < metrics["compare/accuracy/sdpa/p"] <= 1


def test_names_are_ones_that_mlflow_accepts_and_values_are_finite(tmp_path: Path) -> None:
    specs = [RunSpec(arm=arm, seed=seed, kernel=arm) for seed in (0, 1) for arm in ("stock", "mine/a+b é")]
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    for name, value in parent_metrics(comparison).items():
        assert re.fullmatch(r"[\w./ -]+", name, flags=re.ASCII)
        assert value == value
    assert all(re.fullmatch(r"[\w./ -]+", name, flags=re.ASCII) for name in parent_tags(comparison))


def test_the_note_starts_with_the_verdict_and_fits(tmp_path: Path) -> None:
    specs = crossed([f"arm{i}" for i in range(12)], [0])
    comparison = read_and_compare(write_sweep(tmp_path, specs, baseline="arm0"))
    note = parent_note(comparison)
    assert note.startswith(f"**{comparison.headline}**")
    assert len(note) <= MAX_TAG


def test_a_comparison_without_verdicts_still_has_tags(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, [RunSpec(has_folder=False)]))
    assert parent_tags(comparison)["findings"].startswith("error:runs-lost")
    assert parent_metrics(comparison)["compare/findings/error"] == 1
