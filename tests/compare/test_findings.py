"""Each finding, provoked once, and a clean sweep that has none."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare import compare_runs, compare_sweep
from sdpa_exp.config.schema import CompareConfig
from tests.compare.folders import RunSpec, crossed, write_plain, write_sweep

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.compare.comparison import Comparison

SEEDS = [0, 1]


def found(comparison: Comparison, code: str) -> list[tuple[str, str]]:
    return [(finding.severity, finding.sentence) for finding in comparison.findings if finding.code == code]


def clean() -> list[RunSpec]:
    return crossed(["stock", "sdpa"], SEEDS)


def only(comparison: Comparison, code: str, severity: str) -> str:
    """The sentence of the one finding there should be."""
    assert [(f.code, f.severity) for f in comparison.findings] == [(code, severity)], comparison.findings
    return comparison.findings[0].sentence


def test_a_clean_sweep_has_no_findings(tmp_path: Path) -> None:
    assert compare_sweep(write_sweep(tmp_path, clean())).findings == ()


def test_two_arms_with_the_same_kernels_compare_nothing(tmp_path: Path) -> None:
    comparison = compare_sweep(write_sweep(tmp_path, crossed(["stock", "sdpa", "flash"], SEEDS)))
    sentence = only(comparison, "same-kernels", "error")
    assert sentence.startswith("sdpa and flash ran the same attention kernels in training (flash at 8 sites)")
    assert comparison.headline.endswith("Errors among the findings: same-kernels.")


def test_identical_curves_are_a_model_compared_with_itself(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.curve = [0.1, 0.2 + spec.seed / 100, 0.3]
    comparison = compare_sweep(write_sweep(tmp_path, specs))
    sentence = only(comparison, "identical-curves", "error")
    assert "at seeds 0 and 1: none of 30 values besides time differs in 3 epochs, in every recorded digit" in sentence
    assert comparison.headline.startswith("sdpa and stock computed the same model: their metric curves are identical.")


def test_curves_that_differ_in_one_value_are_not_identical(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.curve = [0.1, 0.2 + spec.seed / 100, 0.3 + (1e-15 if spec.arm == "sdpa" else 0)]
    assert compare_sweep(write_sweep(tmp_path, specs)).findings == ()


def test_equal_final_weights_are_an_error(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.digests = {"final_weights": f"w{spec.seed}"}
    sentence = only(compare_sweep(write_sweep(tmp_path, specs)), "identical-weights", "error")
    assert "stock and sdpa ended in bit-identical weights at seeds 0 and 1" in sentence


def test_seeds_that_change_nothing_are_one_run_counted_twice(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.digests = {"final_weights": spec.arm}
    messages = found(compare_sweep(write_sweep(tmp_path, specs)), "idle-seeds")
    assert len(messages) == 2
    assert "seeds 0 and 1 gave identical final weights" in messages[0][1]
    assert "one run counted 2 times" in messages[0][1]


@pytest.mark.parametrize(
    ("digest", "code"),
    [
        ("data_stream", "data-stream-differs"),
        ("initial_weights", "start-weights-differ"),
        ("data_set", "data-set-differs"),
    ],
)
def test_inputs_that_differ_between_arms_at_one_seed_are_an_error(tmp_path: Path, digest: str, code: str) -> None:
    specs = clean()
    for spec in specs:
        spec.digests = {digest: f"{spec.arm}{spec.seed}"}
    assert "at seed 0" in only(compare_sweep(write_sweep(tmp_path, specs)), code, "error")


def test_a_data_stream_that_the_seed_does_not_reach_is_a_warning(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.digests = {"data_stream": "always"}
    messages = found(compare_sweep(write_sweep(tmp_path, specs)), "data-stream-equal")
    assert [severity for severity, _ in messages] == ["warning", "warning"]


def test_a_setting_that_differs_besides_the_arm_is_named_and_nothing_is_paired(tmp_path: Path) -> None:
    specs = [RunSpec(arm="stock", seed=0, batch=8), RunSpec(arm="sdpa", seed=0, batch=16)]
    comparison = compare_sweep(write_sweep(tmp_path, specs))
    ((severity, sentence),) = found(comparison, "settings-differ")
    assert severity == "error"
    assert "hardware.batch (8, 16)" in sentence
    assert comparison.verdicts == ()
    assert comparison.headline == "Nothing could be compared; the findings say why."


def test_a_sweep_over_a_setting_is_compared_inside_each_cell(tmp_path: Path) -> None:
    specs = [*crossed(["stock", "sdpa"], SEEDS, batch=8), *crossed(["stock", "sdpa"], SEEDS, batch=16)]
    comparison = compare_sweep(write_sweep(tmp_path, specs))
    ((severity, sentence),) = found(comparison, "settings-differ")
    assert severity == "info"
    assert "inside each of 2 cells, never across" in sentence
    assert [len(cell.verdicts) for cell in comparison.cells] == [3, 3]


def test_a_setting_that_changed_on_its_way_is_named(tmp_path: Path) -> None:
    specs = clean()
    specs[1].settings_changed = {"workers": [8, 0]}
    sentence = only(compare_sweep(write_sweep(tmp_path, specs)), "settings-changed", "error")
    assert sentence == "workers was planned as 8 and executed as 0 in sdpa (1 of 4 runs)."


def test_amp_that_switched_itself_off_has_a_name_of_its_own(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.settings_changed = {"amp": [True, False]}
    sentence = only(compare_sweep(write_sweep(tmp_path, specs)), "amp-off", "warning")
    assert "AMP switched itself off in stock and sdpa (4 of 4 runs)" in sentence


def test_kernels_other_than_the_requested_ones_are_an_error(tmp_path: Path) -> None:
    specs = clean()
    specs[1].attestation_ok = False
    sentence = only(compare_sweep(write_sweep(tmp_path, specs)), "attestation-failed", "error")
    assert "sdpa, seed 0 asked for sdpa and ran something else: train_forward: asked for sdpa, saw flash" in sentence


def test_kernels_that_vary_between_runs_of_one_arm_are_an_error(tmp_path: Path) -> None:
    specs = clean()
    specs[3].kernel = "math"
    assert "sdpa did not run the same kernels" in only(
        compare_sweep(write_sweep(tmp_path, specs)), "kernels-vary", "error"
    )


def test_versions_that_differ_are_a_warning(tmp_path: Path) -> None:
    specs = clean()
    specs[2].environment = {"versions": {"torch": "2.14.0"}, "locations": {"python": "elsewhere"}}
    sentence = only(compare_sweep(write_sweep(tmp_path, specs)), "environment-differs", "warning")
    assert sentence == "versions.torch is not the same in all runs: 2.15.0 and 2.14.0."


def test_an_arm_that_ran_entirely_before_the_other_is_confounded_with_time(tmp_path: Path) -> None:
    specs = [RunSpec(arm=arm, seed=seed) for arm in ("stock", "sdpa") for seed in SEEDS]
    sentence = only(compare_sweep(write_sweep(tmp_path, specs)), "order-confounded", "warning")
    assert sentence.startswith("All runs of stock came before all runs of sdpa")


def test_the_clock_of_the_runs_decides_about_their_order(tmp_path: Path) -> None:
    specs = clean()
    for minute, spec in zip((0, 20, 10, 30), specs, strict=True):
        spec.started_at = f"2026-11-21T10:{minute:02}:00+00:00"
        spec.ended_at = f"2026-11-21T10:{minute + 9:02}:00+00:00"
    assert "All runs of stock came before" in only(
        compare_sweep(write_sweep(tmp_path, specs)), "order-confounded", "warning"
    )


def test_runs_that_overlapped_are_a_warning(tmp_path: Path) -> None:
    specs = clean()
    for minute, spec in zip((0, 10, 20, 30), specs, strict=True):
        spec.started_at = f"2026-11-21T10:{minute:02}:00+00:00"
        spec.ended_at = f"2026-11-21T10:{minute + 11:02}:00+00:00"
    sentence = only(compare_sweep(write_sweep(tmp_path, specs)), "runs-overlapped", "warning")
    assert "3 pairs of runs overlapped in time (stock, seed 0 and sdpa, seed 0, for one)" in sentence


def test_one_seed_is_said_to_allow_no_test(tmp_path: Path) -> None:
    comparison = compare_sweep(write_sweep(tmp_path, crossed(["stock", "sdpa"], [0])))
    assert "There is one seed, so no test is possible" in only(comparison, "one-seed", "warning")
    assert {verdict.kind for verdict in comparison.verdicts} == {"no test"}
    assert "one seed, so no test of sdpa against stock: mAP50-95" in comparison.verdicts[0].sentence


def test_one_arm_is_described_alone(tmp_path: Path) -> None:
    comparison = compare_sweep(write_sweep(tmp_path, crossed(["sdpa"], SEEDS), baseline="sdpa"))
    assert "nothing to compare it with" in only(comparison, "one-arm", "warning")
    assert comparison.cells[0].arms[0].described["mAP50-95"].n == 2


def test_failed_and_missing_runs_are_counted_and_named(tmp_path: Path) -> None:
    specs = clean()
    specs[1] = dataclasses.replace(specs[1], status="FAILED", reason="CUDA out of memory.")
    specs[3] = dataclasses.replace(specs[3], has_result=False)
    comparison = compare_sweep(write_sweep(tmp_path, specs))
    sentence = only(comparison, "runs-lost", "error")
    assert sentence.startswith(
        "2 of 2 runs of sdpa did not finish (failed and missing): CUDA out of memory (and 1 more)"
    )
    arm = comparison.cells[0].arm("sdpa")
    assert arm is not None
    assert (arm.num_finished, arm.num_planned) == (0, 2)
    assert "it got to epoch 4 of 4" in (arm.not_finished[1].reason or "")
    assert "no verdict on sdpa against stock: sdpa finished 0 of 2 runs" in comparison.verdicts[0].sentence


def test_a_run_that_was_never_started_is_missing_with_its_reason(tmp_path: Path) -> None:
    specs = clean()
    specs[3] = dataclasses.replace(specs[3], has_folder=False)
    assert "its folder does not exist" in only(compare_sweep(write_sweep(tmp_path, specs)), "runs-lost", "warning")


def test_a_baseline_without_runs_is_an_error(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, crossed(["eager", "sdpa"], SEEDS), arms=["stock", "eager", "sdpa"])
    assert "The baseline stock has no run here" in only(compare_sweep(sweep), "no-baseline", "error")


def test_warnings_of_a_run_are_shown(tmp_path: Path) -> None:
    specs = clean()
    specs[0].warnings = [{"code": "val-slow", "message": "Validation took longer than training."}]
    sentence = only(compare_sweep(write_sweep(tmp_path, specs)), "val-slow", "warning")
    assert sentence == "stock, seed 0: Validation took longer than training."


def test_figures_that_are_not_finite_are_left_out_and_named(tmp_path: Path) -> None:
    specs = clean()
    specs[1].quantities = {"mAP50": float("nan"), "mAP50-95": 0.4, "train_s": None}
    comparison = compare_sweep(write_sweep(tmp_path, specs))
    assert "mAP50 is not a finite number" in only(comparison, "not-finite", "warning")
    arm = comparison.cells[0].arm("sdpa")
    assert arm is not None
    assert (arm.described["mAP50-95"].n, arm.described["mAP50"].n) == (2, 1)


def test_runs_of_unequal_length_are_a_warning(tmp_path: Path) -> None:
    specs = clean()
    specs[1].curve = [0.1, 0.2]
    sentence = only(compare_sweep(write_sweep(tmp_path, specs)), "unequal-epochs", "warning")
    assert "2 (sdpa, seed 0)" in sentence


def test_a_seed_that_stands_twice_is_not_used(tmp_path: Path) -> None:
    specs = [*clean(), RunSpec(arm="sdpa", seed=1)]
    comparison = compare_sweep(write_sweep(tmp_path, specs))
    ((severity, sentence),) = found(comparison, "duplicate-seed")
    assert severity == "error"
    assert "sdpa has seed 1 2 times (3 and 4): none of them is used" in sentence
    assert comparison.cells[0].differences[0].seeds == (0,)


def test_seeds_without_a_partner_are_described_but_not_tested(tmp_path: Path) -> None:
    comparison = compare_sweep(write_sweep(tmp_path, [*clean(), RunSpec(arm="sdpa", seed=2)]))
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
            "The GPU throttled during sdpa, seed 1 (12 % of the time: sw_power_cap)",
        ),
        (
            {"peak_gpu_memory_used_mib": 9000.0, "peak_gpu_process_memory_mib": 4000.0},
            "gpu-shared",
            "Something else held GPU memory during sdpa, seed 1 (5,000 MiB beyond its own)",
        ),
        (
            {"mean_system_cpu_percent": 95.0, "mean_cpu_percent": 100.0},
            "cpu-shared",
            "Other processes kept the CPU busy during sdpa, seed 1 (45 % of the CPU beyond its own)",
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
    assert words in only(compare_sweep(write_sweep(tmp_path, specs)), code, "warning")
