"""Plain Ultralytics folders, ours or anybody's, and mixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdpa_exp.compare.comparison import Comparison
from sdpa_exp.compare.run_compare import compare_runs
from sdpa_exp.config.schema import CompareConfig, PrimaryMetric
from sdpa_exp.errors import ComparisonError
from tests.compare.folders import crossed, write_plain, write_run, write_sweep

SHARED = Path(os.environ.get("SDPA_EXP_SHARED", Path(__file__).parents[3] / "shared"))
STUDY = SHARED / "data" / "published_runs" / "kk_study1_sdpa_vs_flash_20ep"


def compare(folders: list[Path], out_dir: Path, baseline: str | None = None) -> Comparison:
    return compare_runs(folders, baseline=baseline, config=CompareConfig(), out_dir=out_dir)


@pytest.mark.skipif(not STUDY.is_dir(), reason="the published study is not on this machine (set SDPA_EXP_SHARED)")
@pytest.mark.parametrize("by_file", [False, True])
def test_the_published_study_differs_in_nothing_but_time(tmp_path: Path, by_file: bool) -> None:
    paths = [STUDY / "results_spda.csv", STUDY / "results_flash_attn.csv"] if by_file else [STUDY]
    comparison = compare(paths, tmp_path, baseline="spda")
    assert comparison.headline.startswith(
        "flash_attn and spda did not differ in anything but time, and time by 0.09 %."
    )
    worst = comparison.findings[0]
    assert (worst.code, worst.severity) == ("identical-curves", "error")
    assert "none of 280 values besides time differs in 20 epochs, to every printed digit" in worst.sentence
    assert {verdict.kind for verdict in comparison.verdicts} == {"no test", "no pairs"}


def test_folders_are_arms_and_args_yaml_has_the_seed(tmp_path: Path) -> None:
    for seed in (0, 1):
        for arm, gain in (("stock", 0.0), ("flash", 0.01 + seed / 1000)):
            write_plain(tmp_path / f"{arm}_seed{seed}", curve=[0.1, 0.3 + seed / 50 + gain], args={"seed": seed})
    comparison = compare([tmp_path], tmp_path / "out")
    assert comparison.baseline == "stock"
    assert [arm.name for arm in comparison.groups[0].arms] == ["flash", "stock"]
    difference = next(d for d in comparison.groups[0].differences if d.metric == "mAP50-95")
    assert sorted(map(str, difference.seeds)) == ["0", "1"]
    assert difference.test.mean == pytest.approx(0.0105)


def test_two_folders_of_repeats_are_two_arms(tmp_path: Path) -> None:
    for arm in ("mine", "theirs"):
        for seed in (0, 1, 2):
            write_plain(tmp_path / arm / f"train{seed}", curve=[0.1, 0.2 + seed / 100], args={"seed": seed})
    comparison = compare([tmp_path / "mine", tmp_path / "theirs"], tmp_path / "out")
    assert [(arm.name, arm.num_finished) for arm in comparison.groups[0].arms] == [("mine", 3), ("theirs", 3)]


def test_folders_of_one_name_are_told_apart_by_the_folder_above(tmp_path: Path) -> None:
    folders = [write_plain(tmp_path / arm / "train", curve=[0.1, 0.2]) for arm in ("mine", "theirs")]
    assert {run.arm for run in compare(folders, tmp_path / "out").runs} == {"mine/train", "theirs/train"}


def test_plain_runs_with_other_settings_are_not_paired_and_the_setting_is_named(tmp_path: Path) -> None:
    folders = [write_plain(tmp_path / f"b{batch}", curve=[0.1, 0.2], args={"batch": batch}) for batch in (8, 16)]
    comparison = compare(folders, tmp_path / "out")
    assert comparison.findings[0].code == "settings-differ"
    assert "batch (8, 16)" in comparison.findings[0].sentence
    assert comparison.verdicts == ()


def test_a_half_written_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    folders = [write_plain(tmp_path / name, curve=[0.1, 0.2 + i / 10, 0.4]) for i, name in enumerate("ab")]
    file = folders[1] / "results.csv"
    file.write_text(file.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    comparison = compare(folders, tmp_path / "out")
    sentences = " ".join(finding.sentence for finding in comparison.findings)
    assert "results.csv: the last line, half-written, is left out" in sentences
    assert "results.csv ends at epoch 2 of 3" in sentences
    assert comparison.runs[1].metrics["best_epoch"] == 2


def test_a_run_that_diverged_counts_among_the_planned_and_is_named(tmp_path: Path) -> None:
    folders = [write_plain(tmp_path / name, curve=[0.1, value]) for name, value in (("a", 0.2), ("b", float("nan")))]
    comparison = compare(folders, tmp_path / "out")
    arm = comparison.groups[0].arm("b")
    assert arm is not None
    assert (arm.num_finished, arm.num_planned) == (0, 1)
    said = next(finding.sentence for finding in comparison.findings if finding.code == "runs-lost")
    assert said.startswith(
        "1 of 1 runs of b did not finish (failed): it diverged: train/box_loss, mAP50 and mAP50-95 is"
    )
    assert not comparison.has_answer


def test_a_number_too_large_to_square_is_left_out(tmp_path: Path) -> None:
    folders = [write_plain(tmp_path / name, curve=[0.1, 0.2], seconds=s) for name, s in (("a", 1.0), ("b", 1e307))]
    comparison = compare(folders, tmp_path / "out")
    assert comparison.runs[1].unmeasured["csv_time_s"] == "not a finite number"


def test_a_time_column_that_restarts_is_no_time(tmp_path: Path) -> None:
    folders = [write_plain(tmp_path / name, curve=[0.1, 0.2, 0.3]) for name in "ab"]
    file = folders[1] / "results.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("\n3,30,", "\n3,10,"), encoding="utf-8")
    comparison = compare(folders, tmp_path / "out")
    assert "csv_time_s" not in comparison.runs[1].metrics
    speed = next(verdict for verdict in comparison.verdicts if verdict.question.name == "speed")
    assert "the time column restarts, as it does where a training was resumed" in speed.sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("a,b\n1,2\n", "its first line is 'a,b'"),
        ("epoch,time\n", "has column names but no complete epoch"),
        ("epoch,time\nx,1\n", "no complete epoch"),
    ],
)
def test_a_file_that_is_no_results_csv_is_a_missing_run_with_the_reason(tmp_path: Path, text: str, words: str) -> None:
    good = write_plain(tmp_path / "good", curve=[0.1, 0.2])
    bad = write_plain(tmp_path / "bad", curve=[0.1, 0.2])
    (bad / "results.csv").write_text(text, encoding="utf-8")
    comparison = compare([good, bad], tmp_path / "out")
    assert words in (comparison.runs[1].reason or "")
    assert comparison.groups[0].arms[0].num_finished == 1


def test_an_empty_folder_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ComparisonError, match=r"holds nothing to compare: expected result\.json"):
        compare([tmp_path / "empty"], tmp_path / "out")


def test_a_missing_folder_and_an_empty_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match="does not exist"):
        compare([tmp_path / "nowhere"], tmp_path / "out")
    with pytest.raises(ComparisonError, match=r"compare\.runs=\[a,b\]"):
        compare([], tmp_path / "out")


def test_a_baseline_that_is_no_arm_is_refused_with_the_arms(tmp_path: Path) -> None:
    folders = [write_plain(tmp_path / name, curve=[0.1, 0.2]) for name in "ab"]
    with pytest.raises(ComparisonError, match=r"baseline=stock is not among the arms\. Choose one of a, b"):
        compare(folders, tmp_path / "out", baseline="stock")


def test_runs_of_two_sweeps_with_equal_settings_are_pooled(tmp_path: Path) -> None:
    sweeps = [write_sweep(tmp_path / str(s), crossed(["stock", "sdpa"], [s])) for s in (0, 1)]
    comparison = compare(sweeps, tmp_path / "out")
    assert comparison.groups[0].differences[0].test.n == 2


def test_our_own_runs_and_plain_ones_are_not_mixed(tmp_path: Path) -> None:
    ours = write_run(tmp_path / "ours", crossed(["stock"], [0])[0])
    plain = write_plain(tmp_path / "plain", curve=[0.1, 0.2])
    comparison = compare([ours, plain], tmp_path / "out")
    assert "name the train/ folder inside a run folder" in comparison.findings[0].sentence


@pytest.mark.parametrize(
    ("margin", "kind", "words"), [(0.5, "points", "margin_kind=points"), (0.0, "absolute", "above 0")]
)
def test_a_margin_that_makes_no_sense_is_refused(tmp_path: Path, margin: float, kind: str, words: str) -> None:
    config = CompareConfig(primary={"accuracy": PrimaryMetric(metric="mAP50", margin=margin, margin_kind=kind)})
    folder = write_plain(tmp_path / "a", curve=[0.1, 0.2])
    with pytest.raises(ComparisonError, match=words):
        compare_runs([folder], baseline=None, config=config, out_dir=tmp_path / "out")


def test_a_results_csv_of_yolov5_is_read_by_its_own_names_and_fitness(tmp_path: Path) -> None:
    for arm, last in (("a", 0.301), ("b", 0.31)):
        (tmp_path / arm).mkdir()
        (tmp_path / arm / "results.csv").write_text(
            "      epoch,  train/box_loss, train/obj_loss,metrics/precision, metrics/recall, metrics/mAP_0.5,"
            "metrics/mAP_0.5:0.95, x/lr0\n0,0.1,0.1,0.5,0.4,0.6,0.300,0.1\n"
            f"1,0.1,0.1,0.6,0.5,0.4,{last},0.1\n",
            encoding="utf-8",
        )
    first, second = compare([tmp_path / "a", tmp_path / "b"], tmp_path / "out").runs
    assert {name: first.metrics[name] for name in ("mAP50", "mAP50-95", "recall", "best_epoch", "last/mAP50")} == {
        "mAP50": 0.6,  # 0.1 x 0.6 + 0.9 x 0.300 is more than 0.1 x 0.4 + 0.9 x 0.301: YOLOv5 keeps the first epoch
        "mAP50-95": 0.3,
        "recall": 0.4,
        "best_epoch": 1,
        "last/mAP50": 0.4,
    }
    assert second.metrics["best_epoch"] == 1


def test_a_results_csv_without_the_metric_says_what_it_has(tmp_path: Path) -> None:
    for arm in "ab":
        (tmp_path / arm).mkdir()
        (tmp_path / arm / "results.csv").write_text("epoch,train/loss,metrics/AP\n1,0.1,0.5\n", encoding="utf-8")
    comparison = compare([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert comparison.runs[0].unmeasured["mAP50-95"] == (
        "its results.csv has no column for it; it has train/loss, metrics/AP"
    )
