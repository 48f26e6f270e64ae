"""Findings about how the runs went: each provoked once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare.run_compare import compare_runs, read_and_compare
from sdpa_exp.config.schema import CompareConfig
from tests.compare.folders import RunSpec, crossed, write_plain, write_sweep

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
        spec.warnings = [{"code": "gpu_shared", "message": "another run ran on this GPU at the same time"}]
    comparison = read_and_compare(write_sweep(tmp_path / "b", specs))
    assert "their times mean nothing" in found(comparison, "runs-overlapped")[0][1]
    assert "ran on this GPU at the same time" in found(comparison, "gpu_shared")[0][1]


@pytest.mark.parametrize("key", ["host", "gpu_uuid"])
def test_runs_at_the_same_time_on_two_devices_don_t_disturb_each_other(tmp_path: Path, key: str) -> None:
    specs = clean()
    for number, spec in enumerate(specs):
        spec.started_at, spec.ended_at = "2026-11-21T10:00:00+00:00", "2026-11-21T10:30:00+00:00"
        spec.environment = {**spec.environment, key: f"one of {number}"}
    assert not found(read_and_compare(write_sweep(tmp_path, specs)), "runs-overlapped")


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


@pytest.mark.parametrize(
    ("figures", "code", "words"),
    [
        (
            {"wall_s": 100.0, "throttled_s": 12.0, "throttle_reasons_s": {"gpu_idle": 1.0, "sw_power_cap": 12.0}},
            "throttled",
            "The GPU throttled during sdpa seed 1 (sdpa seed 1: 12 % of the time: sw_power_cap)",
        ),
        (
            {"peak_gpu_memory_used_mib": 9000.0, "peak_gpu_process_memory_mib": 4000.0},
            "gpu-shared",
            "Something else held GPU memory during sdpa seed 1 (sdpa seed 1: 5,000 MiB beyond its own)",
        ),
        (
            {"mean_system_cpu_percent": 95.0, "mean_cpu_percent": 100.0},
            "cpu-shared",
            "Other processes kept the CPU busy during sdpa seed 1 (sdpa seed 1: 45 % of the CPU beyond its own)",
        ),
    ],
)
def test_what_telemetry_saw_beside_the_run_is_a_warning(
    tmp_path: Path, figures: dict[str, object], code: str, words: str
) -> None:
    specs = clean()
    for spec in specs:
        spec.environment = {"num_cpus": 2}
        calm = {"wall_s": 100.0, "throttled_s": 0.0, "mean_system_cpu_percent": 52.0, "mean_cpu_percent": 100.0}
        spec.telemetry = {"overall": None, "phases": {"train": calm}}
    specs[3].telemetry = {"overall": None, "phases": {"train": figures}}
    assert words in only(read_and_compare(write_sweep(tmp_path, specs)), code, "warning")
