"""Findings that an experiment compares nothing, or something else than it says: each provoked once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare.report.tracking import parent_tags
from sdpa_exp.compare.run_compare import read_and_compare
from sdpa_exp.runs.files import EVENTS_FILE
from tests.compare.folders import RunSpec, crossed, write_sweep

if TYPE_CHECKING:
    from pathlib import Path


from tests.compare.findings.provoke import SEEDS, clean, found, only


def test_a_clean_sweep_has_no_findings(tmp_path: Path) -> None:
    assert read_and_compare(write_sweep(tmp_path, clean())).findings == ()


def test_two_arms_with_the_same_kernels_compare_nothing(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, crossed(["stock", "sdpa", "flash"], SEEDS)))
    sentence = only(comparison, "same-kernels", "error")
    assert sentence.startswith("sdpa and flash ran the same attention kernels in training (flash at 8 layers)")
    assert "or what it takes flash to insist on the kernel at each call, where sdpa leaves it to PyTorch. T" in sentence
    assert sentence.endswith("To compare something: attention=stock,sdpa")
    assert comparison.headline.endswith("Errors among the findings: same-kernels.")


def test_a_clear_test_between_arms_with_one_kernel_is_no_effect_of_attention(tmp_path: Path) -> None:
    specs = crossed(["stock", "sdpa"], SEEDS, kernel="flash")
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    speed = next(v for v in comparison.verdicts if v.question.name == "speed")
    assert speed.kind == "same attention"
    assert speed.sentence.startswith(
        "speed: sdpa and stock ran the same attention, so that a difference can't be its effect: train_s -1"
    )
    assert "is faster" not in comparison.headline
    assert "Speed: sdpa ran the same attention as stock (1" in comparison.headline
    assert parent_tags(comparison)["verdict.speed.sdpa"] == "same attention"


def test_one_group_with_the_same_kernels_says_nothing_about_another(tmp_path: Path) -> None:
    specs = [*crossed(["stock", "sdpa"], [0, 1, 2], batch=8), *crossed(["stock", "sdpa"], [0, 1, 2], batch=16)]
    for spec in specs[:6]:
        spec.kernel = "flash"
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    kinds = [[v.kind for v in group.verdicts if v.question.name == "speed"] for group in comparison.groups]
    assert kinds == [["same attention"], ["different"]]
    assert [f.group_id for f in comparison.findings if f.code == "same-kernels"] == [comparison.groups[0].group_id]


@pytest.mark.parametrize(("epochs", "advice"), [(0, 20), (4, 20), (25, 100)])
def test_accuracy_of_0_everywhere_is_nothing_learnt_and_gets_no_verdict(
    tmp_path: Path, epochs: int, advice: int
) -> None:
    specs = crossed(["stock", "sdpa"], SEEDS)
    for spec in specs:
        spec.curve = [0.001 * (epoch + spec.seed + len(spec.arm)) for epoch in range(epochs)]
        spec.metrics = {"mAP50": 0.0, "mAP50-95": 0.0, "train_s": 10.0 + spec.seed + len(spec.arm) ** 2 / 9}
    folder = write_sweep(tmp_path, specs)
    for log in folder.rglob(EVENTS_FILE) if epochs == 0 else ():
        log.unlink()  # runs without curves
    comparison = read_and_compare(folder)
    ((severity, sentence),) = found(comparison, "nothing-learnt")
    assert severity == "warning"
    assert "mAP50-95 and mAP50 are 0 in all 4 finished runs, so accuracy says nothing about any arm." in sentence
    assert sentence.endswith(f"Train longer (train.epochs={advice}) or on more images.")
    assert comparison.headline.startswith("Accuracy against stock: nothing was learnt (mAP50-95 is 0 in every run)")
    accuracy = next(v for v in comparison.verdicts if v.question.name == "accuracy")
    assert (accuracy.kind, "no verdict on sdpa" in accuracy.sentence) == ("no test", True)
    assert "identical" not in comparison.headline


def test_an_arm_without_a_finished_run_has_that_for_a_reason_also_where_nothing_was_learnt(tmp_path: Path) -> None:
    specs = crossed(["stock", "flash"], SEEDS)
    for spec in specs:
        spec.metrics = {"mAP50": 0.0, "mAP50-95": 0.0, "train_s": 10.0 + spec.seed}
        spec.status = "FAILED" if spec.arm == "flash" else "FINISHED"
    verdicts = read_and_compare(write_sweep(tmp_path, specs)).verdicts
    accuracy = next(v for v in verdicts if v.question.name == "accuracy")
    assert "flash finished 0 of 2 runs" in accuracy.sentence


def test_arms_that_turn_round_from_seed_to_seed_are_one_finding(tmp_path: Path) -> None:
    specs = crossed(["stock", "sdpa"], [0]) + crossed(["sdpa", "stock"], [1])
    for spec in specs:
        spec.curve = [0.1, 0.2 + spec.seed / 100, 0.3]
        spec.digests = {"final_weights": f"w{spec.seed}"}
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    assert [f.evidence["seeds"] for f in comparison.findings if f.code == "identical-curves"] == [[0, 1]]
    assert [f.evidence["seeds"] for f in comparison.findings if f.code == "identical-weights"] == [[0, 1]]


def test_identical_curves_are_a_model_compared_with_itself(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.curve = [0.1, 0.2 + spec.seed / 100, 0.3]
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    sentence = only(comparison, "identical-curves", "error")
    assert "at seeds 0 and 1: none of 30 values besides time differs in 3 epochs, in every recorded digit" in sentence
    assert comparison.headline.startswith("sdpa and stock computed the same model: their metric curves are identical.")


def test_what_holds_for_one_of_three_seeds_is_not_said_of_all(tmp_path: Path) -> None:
    specs = crossed(["stock", "sdpa"], [0, 1, 2])
    for spec in specs:
        spec.curve = [0.1, 0.2, 0.3 + (spec.seed + len(spec.arm)) / 1000] if spec.seed else [0.1, 0.2, 0.3]
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    assert "at seed 0: none of 15 values" in only(comparison, "identical-curves", "error")
    speed = next(v for v in comparison.verdicts if v.question.name == "speed")
    assert speed.kind == "different"


def test_curves_that_differ_in_one_value_are_not_identical(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.curve = [0.1, 0.2 + spec.seed / 100, 0.3 + (1e-15 if spec.arm == "sdpa" else 0)]
    assert read_and_compare(write_sweep(tmp_path, specs)).findings == ()


def test_equal_final_weights_are_an_error(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.digests = {"final_weights": f"w{spec.seed}"}
    sentence = only(read_and_compare(write_sweep(tmp_path, specs)), "identical-weights", "error")
    assert "stock and sdpa ended in bit-identical weights at seeds 0 and 1" in sentence


def test_seeds_that_change_nothing_are_one_run_counted_twice(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.digests = {"final_weights": spec.arm}
    messages = found(read_and_compare(write_sweep(tmp_path, specs)), "idle-seeds")
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
    assert "at seed 0" in only(read_and_compare(write_sweep(tmp_path, specs)), code, "error")


def test_a_data_stream_that_the_seed_does_not_reach_is_a_warning(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.digests = {"data_stream": "always"}
    messages = found(read_and_compare(write_sweep(tmp_path, specs)), "data-stream-equal")
    assert [severity for severity, _ in messages] == ["warning", "warning"]


def test_a_setting_that_differs_besides_the_arm_is_named_and_nothing_is_paired(tmp_path: Path) -> None:
    specs = [RunSpec(arm="stock", seed=0, batch=8), RunSpec(arm="sdpa", seed=0, batch=16)]
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    ((severity, sentence),) = found(comparison, "settings-differ")
    assert severity == "error"
    assert "hardware.batch (8, 16)" in sentence
    assert comparison.verdicts == ()
    assert comparison.headline == "Nothing could be compared; the findings say why."


def test_a_sweep_over_a_setting_is_compared_inside_each_group(tmp_path: Path) -> None:
    specs = [*crossed(["stock", "sdpa"], SEEDS, batch=8), *crossed(["stock", "sdpa"], SEEDS, batch=16)]
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    ((severity, sentence),) = found(comparison, "settings-differ")
    assert severity == "info"
    assert "inside each of 2 comparison groups, never across" in sentence
    assert [len(group.verdicts) for group in comparison.groups] == [3, 3]


def test_a_setting_that_changed_on_its_way_is_named(tmp_path: Path) -> None:
    specs = clean()
    specs[1].settings_changed = {"workers": [8, 0]}
    sentence = only(read_and_compare(write_sweep(tmp_path, specs)), "settings-changed", "error")
    assert sentence == "workers was planned as 8 and executed as 0 in sdpa (1 of 4 runs)."


def test_amp_that_switched_itself_off_has_a_name_of_its_own(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.settings_changed = {"amp": [True, False]}
    sentence = only(read_and_compare(write_sweep(tmp_path, specs)), "amp-off", "warning")
    assert "AMP switched itself off in stock and sdpa (4 of 4 runs)" in sentence


def test_kernels_other_than_the_requested_ones_are_an_error(tmp_path: Path) -> None:
    specs = clean()
    specs[1].attestation_ok = False
    sentence = only(read_and_compare(write_sweep(tmp_path, specs)), "attestation-failed", "error")
    assert "sdpa seed 0 asked for sdpa and ran something else: train_forward: asked for sdpa, saw flash" in sentence


def test_kernels_that_vary_between_runs_of_one_arm_are_an_error(tmp_path: Path) -> None:
    specs = clean()
    specs[3].kernel = "math"
    assert "sdpa did not run the same kernels" in only(
        read_and_compare(write_sweep(tmp_path, specs)), "kernels-vary", "error"
    )


def test_versions_that_differ_are_a_warning(tmp_path: Path) -> None:
    specs = clean()
    specs[2].environment = {"versions": {"torch": "2.14.0"}, "locations": {"python": "elsewhere"}}
    sentence = only(read_and_compare(write_sweep(tmp_path, specs)), "environment-differs", "warning")
    assert sentence == "versions.torch is not the same in all runs: 2.15.0 and 2.14.0."
