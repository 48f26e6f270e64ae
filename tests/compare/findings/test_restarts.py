"""Findings about runs that were started more than once, and sweeps that grew or were completed by another."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.run_compare import compare_runs, read_and_compare
from sdpa_exp.config.schema import CompareConfig
from sdpa_exp.runs.record import read_record, write_record
from sdpa_exp.runs.sweep import read_sweep
from sdpa_exp.runs.sweep import write_sweep as write_sweep_file
from tests.compare.findings.provoke import SEEDS, clean, found, only
from tests.compare.folders import RunSpec, write_sweep

if TYPE_CHECKING:
    from pathlib import Path


def change_record(folder: Path, **changes: Any) -> None:
    write_record(folder, dataclasses.replace(read_record(folder), **changes))


def test_a_run_that_ran_again_counts_and_says_why(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, clean())
    change_record(sweep / "1", attempts=[{"num": 1, "repeated_because": "ended by Ctrl-C."}])
    sentence = only(read_and_compare(sweep), "runs-repeated", "info")
    assert sentence.startswith("sdpa seed 0 (attempt 2) ran again from the start: ended by Ctrl-C. Only the last")


def test_a_run_that_went_on_from_a_checkpoint_is_a_warning_and_gives_no_time(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, clean())
    metrics = {**read_record(sweep / "1").metrics, "train_s": None}
    change_record(sweep / "1", continued_from_epoch=2, metrics=metrics, unmeasured={"train_s": "it went on"})
    comparison = read_and_compare(sweep)
    assert "sdpa seed 0 (after epoch 2) went on from last.pt" in found(comparison, "runs-continued")[0][1]
    pairs = {difference.metric: difference.seeds for difference in comparison.groups[0].differences}
    assert (pairs["train_s"], pairs["mAP50-95"]) == ((1,), (0, 1))


def test_a_sweep_that_grew_after_somebody_looked_is_a_warning(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, clean())
    entry = {"num_added": 2, "arms_added": [], "seeds_added": [1], "num_finished": 2, "was_compared": True}
    unextended = {**entry, "num_added": 0}
    write_sweep_file(dataclasses.replace(read_sweep(sweep), resumed=(unextended, entry)))
    sentence = only(read_and_compare(sweep), "sweep-extended", "warning")
    assert sentence == (
        "The sweep was extended by 2 runs (seeds 1) after a comparison of 2 finished runs: who adds seeds until a "
        "difference shows will see one."
    )
    write_sweep_file(dataclasses.replace(read_sweep(sweep), resumed=({**entry, "was_compared": False},)))
    only(read_and_compare(sweep), "sweep-extended", "info")


def test_jobs_that_a_killed_sweep_lost_and_a_second_one_did_are_one_comparison(tmp_path: Path) -> None:
    specs = clean()
    lost: list[dict[str, Any]] = [
        {"has_folder": False},
        {"has_result": False},
        {"status": "KILLED", "reason": "killed"},
    ]
    broken = [specs[0], *(dataclasses.replace(spec, **how) for spec, how in zip(specs[1:], lost, strict=True))]
    first = write_sweep(tmp_path / "first", broken)
    second = write_sweep(tmp_path / "second", specs[1:])
    comparison = compare_runs([first, second], baseline=None, config=CompareConfig(), out_dir=tmp_path / "out")
    (group,) = comparison.groups
    assert {(arm.name, arm.num_planned, arm.num_finished) for arm in group.arms} == {("stock", 2, 2), ("sdpa", 2, 2)}
    assert all(len(difference.seeds) == len(SEEDS) for difference in group.differences)
    assert "3 runs that did not finish in one sweep were finished in another" in only(
        comparison, "runs-made-good", "info"
    )


def test_a_missing_run_of_another_comparison_group_is_not_made_good(tmp_path: Path) -> None:
    """The same arm and seed with another batch is another run."""
    first = write_sweep(tmp_path / "first", [RunSpec(arm="sdpa", batch=8, has_result=False), RunSpec(batch=8)])
    second = write_sweep(tmp_path / "second", clean())
    comparison = compare_runs([first, second], baseline=None, config=CompareConfig(), out_dir=tmp_path / "out")
    assert len(comparison.groups) == 2
    assert found(comparison, "runs-made-good") == []
    assert [severity for severity, _ in found(comparison, "runs-lost")] == ["error"]
