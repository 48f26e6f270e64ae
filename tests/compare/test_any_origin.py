"""results.csv and args.yaml of any origin: a right value, or a sentence that names the file and the place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare.load.plain import read_plain_run
from sdpa_exp.compare.load.results_csv import read_results_csv
from sdpa_exp.compare.load.sources import read_sources
from sdpa_exp.errors import ComparisonError
from tests.compare.folders import write_plain

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "results.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_marks_of_the_encoding_are_no_part_of_the_first_name(tmp_path: Path, encoding: str) -> None:
    curves, problems = read_results_csv(written(tmp_path, "epoch,time\n1,10\n2,20\n", encoding))
    assert curves.epochs.tolist() == [1, 2]
    assert problems == []


def test_yolov5_names_its_columns_in_its_own_way_and_counts_from_0(tmp_path: Path) -> None:
    text = "               epoch,      metrics/mAP_0.5, metrics/mAP_0.5:0.95\n 0, 0.5, 0.25\n 1, 0.6, 0.3\n"
    written(tmp_path, text)
    run = read_plain_run(tmp_path / "results.csv")
    assert run.metrics == {"best_epoch": 2, "mAP50": 0.6, "mAP50-95": 0.3, "last/mAP50": 0.6, "last/mAP50-95": 0.3}


def test_a_file_that_begins_at_epoch_295_says_so_and_has_no_time(tmp_path: Path) -> None:
    run = read_plain_run(written(tmp_path, "epoch,time,metrics/mAP50-95(B)\n295,9,0.4\n296,18,0.5\n"))
    assert run.metrics["mAP50-95"] == 0.5
    assert run.unmeasured["csv_time_s"] == "results.csv begins at epoch 295"
    sentence = "results.csv: it begins at epoch 295: a training was resumed, and what came before is not here."
    assert ("results-csv", sentence) in run.notes


def test_percentages_are_not_taken_for_shares(tmp_path: Path) -> None:
    run = read_plain_run(written(tmp_path, "epoch,time,metrics/mAP50-95(B)\n1,9,0.4\n2,18,41.5\n"))
    assert "mAP50-95" not in run.metrics
    assert run.unmeasured["mAP50-95"] == "it is above 1, as a percentage would be"
    assert "mAP50-95 is above 1 at epoch 2" in run.notes[0][1]


def test_a_diverged_epoch_is_not_the_best_one(tmp_path: Path) -> None:
    run = read_plain_run(written(tmp_path, "epoch,metrics/mAP50-95(B)\n1,0.4\n2,nan\n3,-inf\n4,0.3\n"))
    assert (run.status, run.metrics["mAP50-95"]) == ("FINISHED", 0.4)
    assert "mAP50-95 is not a finite number in epoch 2 and 3" in run.notes[0][1]


@pytest.mark.parametrize("name", ["metrics/mAP50-95(B)", "train/box_loss"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_training_that_ended_in_nan_is_a_lost_run_and_no_earlier_best(name: str, value: str, tmp_path: Path) -> None:
    run = read_plain_run(written(tmp_path, f"epoch,{name}\n1,0.4\n2,{value}\n"))
    assert (run.status, run.metrics) == ("FAILED", {})
    assert "it diverged: " in (run.reason or "")
    assert "is not a finite number in its last epoch (epoch 2)" in (run.reason or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch,time,time\n1,2,3\n", "the column time stands 2 times; the last is used"),
        ("epoch,time\n1,2\n2,3,4\n3,4\n", "line 3 is left out (3 of 2 columns readable)"),
        ("epoch,time,box\n1,2,0,5\n2,3,1\n", "line 2 is left out (4 of 3 columns readable)"),  # 0,5 for 0.5
        ("epoch,time\n2,3\n1,4\n", "epochs don't count upwards"),
    ],
)
def test_what_is_odd_is_said_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    _, problems = read_results_csv(written(tmp_path, text))
    assert any(problem.startswith("results.csv: ") and words in problem for problem in problems)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch,time\ninf,1\n", "has an epoch that is not a number"),
        (f"epoch,time\n1,{'9' * 200_000}\n", "can't be read as comma-separated numbers: field larger"),
        ("epoch;time\n1;2,5\n", "its first line is 'epoch;time'"),
    ],
)
def test_what_can_not_be_read_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ComparisonError, match=words):
        read_results_csv(written(tmp_path, text))


@pytest.mark.parametrize("seed", [42, 42.0, "42", "42.0"])
def test_a_seed_is_a_whole_number_however_it_is_written(tmp_path: Path, seed: object) -> None:
    folder = write_plain(tmp_path / "mine_seed42", curve=[0.1, 0.2], args={"seed": seed})
    run = read_plain_run(folder / "results.csv")
    assert (run.seed, run.arm) == (42, "mine")


@pytest.mark.parametrize("seed", ["first", 0.5, None, [1]])
def test_what_is_no_whole_number_is_no_seed(tmp_path: Path, seed: object) -> None:
    folder = write_plain(tmp_path / "mine", curve=[0.1, 0.2], args={"seed": seed})
    assert read_plain_run(folder / "results.csv").seed is None


def test_keys_of_args_yaml_that_are_no_strings_are_read(tmp_path: Path) -> None:
    folder = write_plain(tmp_path / "mine", curve=[0.1, 0.2])
    with (folder / "args.yaml").open("a", encoding="utf-8") as file:
        file.write("1: one\nnull: nothing\n")
    assert read_plain_run(folder / "results.csv").settings["1"] == "one"


def test_a_folder_that_is_named_twice_counts_once(tmp_path: Path) -> None:
    folder = write_plain(tmp_path / "mine", curve=[0.1, 0.2])
    runs, _ = read_sources([folder, tmp_path / "mine" / ".." / "mine", folder])
    assert len(runs) == 1
