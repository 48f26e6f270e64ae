"""What runs and their folders bring up themselves is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdpa_exp.compare.run_compare import compare_runs, read_and_compare
from sdpa_exp.config.schema import CompareConfig
from tests.compare.folders import write_plain, write_sweep

if TYPE_CHECKING:
    from pathlib import Path


from tests.compare.findings.provoke import clean, only


def test_warnings_of_a_run_are_shown(tmp_path: Path) -> None:
    specs = clean()
    specs[0].warnings = [{"code": "val-slow", "message": "Validation took longer than training."}]
    sentence = only(read_and_compare(write_sweep(tmp_path, specs)), "val-slow", "warning")
    assert sentence == "stock seed 0: Validation took longer than training."


def test_figures_that_are_not_finite_are_left_out_and_named(tmp_path: Path) -> None:
    specs = clean()
    specs[1].metrics = {"mAP50": float("nan"), "mAP50-95": 0.4, "train_s": None}
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    assert "mAP50 is not a finite number" in only(comparison, "not-finite", "warning")
    arm = comparison.groups[0].arm("sdpa")
    assert arm is not None
    assert (arm.described["mAP50-95"].n, arm.described["mAP50"].n) == (2, 1)


def test_plain_folders_without_args_are_paired_with_a_warning(tmp_path: Path) -> None:
    folders = [write_plain(tmp_path / name, curve=[0.1, value], args={}) for name, value in (("a", 0.2), ("b", 0.3))]
    comparison = compare_runs(folders, baseline=None, config=CompareConfig(), out_dir=tmp_path / "out")
    assert {f.code for f in comparison.findings} == {
        "unknown-settings",
        "no-attestation",
        "one-seed",
        "metric-replaced",
    }
    assert comparison.baseline == "a"
