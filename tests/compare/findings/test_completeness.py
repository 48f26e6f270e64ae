"""Findings about what is there to compare: each provoked once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sdpa_exp.compare.run_compare import read_and_compare
from tests.compare.folders import RunSpec, crossed, write_sweep

if TYPE_CHECKING:
    from pathlib import Path


from tests.compare.findings.provoke import SEEDS, clean, found, only


def test_one_seed_is_said_to_allow_no_test(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, crossed(["stock", "sdpa"], [0])))
    assert "There is one seed, so no test is possible" in only(comparison, "one-seed", "warning")
    assert {verdict.kind for verdict in comparison.verdicts} == {"no test"}
    assert "one seed, so no test of sdpa against stock: mAP50-95" in comparison.verdicts[0].sentence


def test_one_arm_is_described_alone(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, crossed(["sdpa"], SEEDS), baseline="sdpa"))
    assert "nothing to compare it with" in only(comparison, "one-arm", "warning")
    assert comparison.groups[0].arms[0].described["mAP50-95"].n == 2


def test_failed_and_missing_runs_are_counted_and_named(tmp_path: Path) -> None:
    specs = clean()
    specs[1] = dataclasses.replace(specs[1], status="FAILED", reason="CUDA out of memory.")
    specs[3] = dataclasses.replace(specs[3], has_result=False)
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    sentence = only(comparison, "runs-lost", "error")
    assert sentence.startswith(
        "2 of 2 runs of sdpa did not finish (failed and missing): CUDA out of memory (and 1 more)"
    )
    arm = comparison.groups[0].arm("sdpa")
    assert arm is not None
    assert (arm.num_finished, arm.num_planned) == (0, 2)
    assert "it got to epoch 4 of 4" in (arm.not_finished[1].reason or "")
    assert "no verdict on sdpa against stock: sdpa finished 0 of 2 runs" in comparison.verdicts[0].sentence


def test_a_run_that_was_never_started_is_missing_with_its_reason(tmp_path: Path) -> None:
    specs = clean()
    specs[3] = dataclasses.replace(specs[3], has_folder=False)
    assert "its folder does not exist" in only(read_and_compare(write_sweep(tmp_path, specs)), "runs-lost", "warning")


def test_a_baseline_without_runs_is_an_error(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, crossed(["eager", "sdpa"], SEEDS), arms=["stock", "eager", "sdpa"])
    assert "The baseline stock has no run here" in only(read_and_compare(sweep), "no-baseline", "error")


def test_runs_of_unequal_length_are_a_warning(tmp_path: Path) -> None:
    specs = clean()
    specs[1].curve = [0.1, 0.2]
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    sentence = only(comparison, "unequal-epochs", "warning")
    assert "2 (sdpa seed 0)" in sentence
    kinds = {verdict.question.name: verdict.kind for verdict in comparison.verdicts}
    assert kinds["speed"] == "not comparable"
    assert kinds["memory"] != "not comparable"
    speed = next(verdict for verdict in comparison.verdicts if verdict.question.name == "speed")
    assert "a pair trained for 2 and 4 epochs, so train_s is not comparable" in speed.sentence
    assert "Speed: no verdict on sdpa, which trained for another number of epochs." in comparison.headline


def test_a_seed_that_stands_twice_is_not_used(tmp_path: Path) -> None:
    specs = [*clean(), RunSpec(arm="sdpa", seed=1)]
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    ((severity, sentence),) = found(comparison, "duplicate-seed")
    assert severity == "error"
    assert "sdpa has seed 1 2 times (3 and 4): none of them is used" in sentence
    assert comparison.groups[0].differences[0].seeds == (0,)


def test_seeds_without_a_partner_are_described_but_not_tested(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, [*clean(), RunSpec(arm="sdpa", seed=2)]))
    assert "sdpa and stock share 2 of 3 seeds" in only(comparison, "unpaired-seeds", "warning")
