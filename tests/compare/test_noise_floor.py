"""An A/A control: its spread is the noise floor, what lies within is no effect, and it is no arm of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare.report.methods import methods, question
from sdpa_exp.compare.report.terminal import render_text
from sdpa_exp.compare.report.tracking import parent_metrics, parent_tags
from sdpa_exp.compare.run_compare import compare_sweep, read_and_compare
from tests.compare.findings.provoke import found, only
from tests.compare.folders import RunSpec, crossed, write_sweep

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.compare.comparison import Comparison

SEEDS = [0, 1, 2, 3, 4]


def with_control(arms: list[str], seeds: list[int], *, off_by_s: list[float] | None = None) -> list[RunSpec]:
    """A crossed sweep with a copy of stock whose train_s is that of stock plus what is given for each seed."""
    off_by_s = off_by_s or [0.6, -0.6, 0.6, -0.6, 0.0][: len(seeds)]
    specs = []
    for turn, (seed, off_s) in enumerate(zip(seeds, off_by_s, strict=True)):
        block = []
        for arm in arms:
            time_s = {"stock": 60.0, "sdpa": 52.0 + seed / 50}.get(arm, 59.8 + seed / 50)
            block.append(RunSpec(arm=arm, seed=seed, metrics={"mAP50-95": 0.5 + seed / 100, "train_s": time_s}))
        moved = {"mAP50-95": 0.5 + seed / 100 + 0.004 * (-1) ** seed, "train_s": 60.0 + off_s}
        block.append(RunSpec(arm="stock_aa", seed=seed, copy_of="stock", metrics=moved))
        specs += block[::-1] if turn % 2 else block
    return specs


def kinds(comparison: Comparison) -> dict[tuple[str, str], str]:
    return {(verdict.question.name, verdict.arm): verdict.kind for verdict in comparison.verdicts}


def test_the_floor_is_the_root_mean_square_of_the_copys_differences(tmp_path: Path) -> None:
    (group,) = read_and_compare(write_sweep(tmp_path, with_control(["stock", "sdpa"], SEEDS))).groups
    speed = next(floor for floor in group.noise_floors if floor.question == "speed")
    assert (speed.arm, speed.baseline, speed.n) == ("stock_aa", "stock", 5)
    assert speed.floor == pytest.approx((4 * 0.36 / 5) ** 0.5)
    assert speed.largest == pytest.approx(0.6)
    assert speed.mean == pytest.approx(0.0, abs=0.003)  # of ratios
    assert speed.sd == pytest.approx((4 * 0.36 / 4) ** 0.5, rel=1e-4)


def test_an_effect_within_the_floor_is_not_called_different_and_one_above_it_is(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, with_control(["stock", "sdpa", "eager"], SEEDS)))
    assert kinds(comparison)["speed", "eager"] == "within the noise floor"
    assert kinds(comparison)["speed", "sdpa"] == "different"
    eager, sdpa = (next(v for v in comparison.verdicts if (v.question.name, v.arm) == ("speed", a))
                   for a in ("eager", "sdpa"))  # fmt: skip
    assert eager.p is not None
    assert eager.p < comparison.alpha  # it is the copy that holds it back
    assert "eager is within the A/A noise floor of stock: train_s -0.27 % (-0.160 s" in eager.sentence
    assert "stock_aa, which is stock again, is off by 0.89 % (0.54 s) (root mean square of 5 pairs" in eager.sentence
    assert sdpa.sentence.endswith(
        "Tested against the mean of stock and its copy stock_aa; A/A noise floor 0.89 % (0.54 s)."
    )
    assert "eager is within the A/A noise floor (0.27 % faster)" in comparison.headline
    assert "A/A noise floor (stock_aa against stock, 5 pairs): mAP50-95 0.4" in comparison.headline


@pytest.mark.parametrize(("offset", "kind"), [(0.001, "within the noise floor"), (0.02, "different")])
def test_a_difference_without_spread_is_an_effect_only_against_both_copies(
    offset: float, kind: str, tmp_path: Path
) -> None:
    specs = with_control(["stock", "sdpa"], SEEDS)
    for spec in specs:
        if spec.arm == "sdpa":
            spec.metrics = {"mAP50-95": 0.5 + spec.seed / 100 + offset, "train_s": 52.0 + spec.seed / 50}
    assert kinds(read_and_compare(write_sweep(tmp_path, specs)))["accuracy", "sdpa"] == kind


def test_the_same_arms_without_a_control_are_both_called_different(tmp_path: Path) -> None:
    specs = [spec for spec in with_control(["stock", "sdpa", "eager"], SEEDS) if spec.copy_of is None]
    found_kinds = kinds(read_and_compare(write_sweep(tmp_path, specs)))
    assert {arm: kind for (name, arm), kind in found_kinds.items() if name == "speed"} == {
        "sdpa": "different",
        "eager": "different but within the margin",
    }


def test_the_control_is_no_arm_of_the_questions_and_its_findings_are_quiet(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, with_control(["stock", "sdpa"], SEEDS)))
    assert {verdict.arm for verdict in comparison.verdicts} == {"sdpa"}
    assert {verdict.num_tests for verdict in comparison.verdicts if verdict.p is not None} == {2}  # two questions
    assert comparison.findings == ()
    (group,) = comparison.groups
    assert question(comparison, group).startswith("Does sdpa change the accuracy")
    assert "stock_aa repeated stock at the same seeds" in methods(comparison, group)


def test_a_copy_that_tests_different_is_a_finding(tmp_path: Path) -> None:
    specs = with_control(["stock", "sdpa"], SEEDS, off_by_s=[2.0, 2.1, 1.9, 2.05, 1.95])
    sentence = only(read_and_compare(write_sweep(tmp_path, specs)), "control-differs", "warning")
    assert "stock_aa, the same attention as stock, tests different from it in train_s by +2.0 s" in sentence
    assert sentence.endswith("Those of this size mean nothing.")


def test_a_copy_with_other_kernels_is_no_copy_and_gives_no_floor(tmp_path: Path) -> None:
    specs = with_control(["stock", "sdpa"], SEEDS)
    for spec in specs:
        spec.kernel = "flash" if spec.copy_of else None
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    ((severity, sentence),) = found(comparison, "control-kernels-differ")
    assert severity == "error"
    assert "stock explicit softmax (stock) (8) in train forward" in sentence
    assert comparison.groups[0].noise_floors == ()


def test_a_copy_that_was_not_perturbed_is_an_error(tmp_path: Path) -> None:
    specs = with_control(["stock", "sdpa"], [0, 1])
    for spec in specs:
        spec.digests = {"initial_weights": f"init{spec.seed}"}
    sentence = only(read_and_compare(write_sweep(tmp_path, specs)), "control-not-perturbed", "error")
    assert "at seeds 0 and 1" in sentence


def test_a_copy_that_saw_other_data_is_an_error(tmp_path: Path) -> None:
    specs = with_control(["stock", "sdpa"], [0, 1])
    for spec in specs:
        spec.digests = {"data_stream": f"{spec.copy_of}{spec.seed}"}
    assert "stock_aa saw different training batches" in only(
        read_and_compare(write_sweep(tmp_path, specs)), "data-stream-differs", "error"
    )


def test_a_copy_without_a_finished_pair_is_said_to_be_missing(tmp_path: Path) -> None:
    specs = with_control(["stock", "sdpa"], [0, 1])
    for spec in specs:
        if spec.copy_of:
            spec.has_folder = False
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    assert [finding.code for finding in comparison.findings] == ["runs-lost", "control-missing"]
    assert {verdict.noise_floor for verdict in comparison.verdicts} == {None}


def test_with_another_baseline_the_copy_gives_no_floor_and_gets_no_verdict(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, with_control(["stock", "sdpa"], [0, 1]), baseline="sdpa"))
    assert "stock_aa repeats stock, and the baseline is sdpa" in only(comparison, "control-unused", "info")
    assert {verdict.arm for verdict in comparison.verdicts} == {"stock"}


def test_a_sweep_of_one_arm_and_its_copy_asks_for_the_floor_and_answers(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, with_control(["stock"], SEEDS)))
    assert question(comparison, comparison.groups[0]).endswith("do two copies of stock come out?")
    assert comparison.headline.startswith("A/A noise floor (stock_aa against stock, 5 pairs): mAP50-95")
    assert comparison.findings == ()


def test_one_seed_gives_a_floor_of_one_pair(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, with_control(["stock", "sdpa"], [0])))
    speed = next(verdict for verdict in comparison.verdicts if verdict.question.name == "speed")
    assert speed.kind == "no test"
    assert speed.sentence.endswith("A/A noise floor: 1.0 % (0.60 s).")


def test_every_view_shows_the_floor(tmp_path: Path) -> None:
    comparison = compare_sweep(write_sweep(tmp_path, with_control(["stock", "sdpa"], SEEDS)))
    content = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert [floor["metric"] for floor in content["groups"][0]["noise_floors"]] == ["mAP50-95", "train_s"]
    assert [arm["copy_of"] for arm in content["groups"][0]["arms"]] == [None, None, "stock"]
    assert "A/A noise floor" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "## A/A noise floor" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert (tmp_path / "tables" / "noise_floor.tex").exists()
    assert "stock_aa (A/A copy)" in render_text(comparison)
    assert parent_metrics(comparison)["compare/speed/noise_floor"] == pytest.approx(0.5367, abs=1e-4)
    assert parent_tags(comparison)["control"] == "stock_aa (A/A copy of stock)"


def test_runs_without_folders_still_know_the_arm_they_copy(tmp_path: Path) -> None:
    specs = crossed(["stock", "sdpa"], [0, 1])
    specs += [RunSpec(arm="stock_aa", seed=seed, copy_of="stock", has_folder=False) for seed in (0, 1)]
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    assert {run.copy_of for run in comparison.runs if run.arm == "stock_aa"} == {"stock"}
