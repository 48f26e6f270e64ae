"""A sweep folder in, an answer out: files, verdicts, tables."""

from __future__ import annotations

import io
import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from sdpa_exp.compare.comparison import Comparison
from sdpa_exp.compare.load.ours import read_sweep
from sdpa_exp.compare.report.terminal import render_terminal
from sdpa_exp.compare.run_compare import compare_sweep, read_and_compare
from sdpa_exp.errors import ComparisonError
from tests.compare.folders import RunSpec, crossed, default_metrics, write_sweep

if TYPE_CHECKING:
    from pathlib import Path

ARMS = ["stock", "eager", "sdpa"]


def printed(comparison: Comparison, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render_terminal(comparison))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_speed_up_is_told_with_way_size_and_interval(tmp_path: Path) -> None:
    comparison = compare_sweep(write_sweep(tmp_path, crossed(ARMS, [0, 1, 2, 3, 4])))
    verdict = next(v for v in comparison.verdicts if v.arm == "sdpa" and v.question.name == "speed")
    assert verdict.kind == "different"
    assert verdict.sentence.startswith("speed: sdpa is faster than stock: train_s -13.")
    assert "99.2 % interval" in verdict.sentence  # the first of two arms and three questions, after Holm
    assert verdict.num_tests == 6
    assert verdict.best_of == 2
    assert "Best of 2 arms: 99.2 % interval" in verdict.sentence


def test_five_inconclusive_seeds_give_a_range_of_what_would_settle_it_and_two_give_none(tmp_path: Path) -> None:
    for seeds in ([0, 1], [0, 1, 2, 3, 4]):
        specs = crossed(["stock", "sdpa"], seeds)
        for spec in specs:
            noise = {"stock": 0.0, "sdpa": 0.01 * (-1) ** spec.seed}[spec.arm]
            spec.metrics = default_metrics(spec.arm, spec.seed) | {"mAP50-95": 0.5 + noise + spec.seed / 1000}
        comparison = read_and_compare(write_sweep(tmp_path / str(len(seeds)), specs))
        verdict = next(v for v in comparison.verdicts if v.question.name == "accuracy")
        assert verdict.kind == "inconclusive"
        if len(seeds) == 2:
            assert verdict.seeds_needed is None
            assert "(n = 2; 5 are needed to say how many would settle it)" in verdict.sentence
            assert "inconclusive for sdpa (n = 2)" in comparison.headline
        else:
            needed = verdict.seeds_needed
            assert needed is not None
            assert needed.least is not None
            assert needed.plan is not None
            assert needed.most is not None
            assert needed.least < 45 < needed.plan < needed.most  # SD 2.2 margins: 43, were the SD known
            text = f"about {needed.plan} seeds would settle it ({needed.least} to {needed.most}, as far as the spread"
            assert f"(n = 5; {text} is known))" in verdict.sentence
            assert f"inconclusive for sdpa (n = 5; {text} is known))" in comparison.headline


def test_intervals_carry_their_unit_and_agree_with_the_tests(tmp_path: Path) -> None:
    comparison = read_and_compare(write_sweep(tmp_path, crossed(ARMS, [0, 1, 2, 3, 4])))
    speed = next(v for v in comparison.verdicts if v.arm == "sdpa" and v.question.name == "speed")
    assert re.search(r"98\.8 % interval -\d\.\d+ to -\d\.\d+ s\)", speed.sentence)
    for verdict in comparison.verdicts:
        assert verdict.test is not None
        assert verdict.level is not None
        assert verdict.level_equivalence is not None
        low, high = verdict.test.interval(verdict.level) or (0.0, 0.0)
        assert (low > 0 or high < 0) == ("different" in verdict.kind)
        low, high = verdict.test.interval(verdict.level_equivalence) or (0.0, 0.0)
        margin = verdict.test.margin or 0.0
        assert (-margin < low and high < margin) == (verdict.kind in {"equivalent", "different but within the margin"})
    accuracy = next(v for v in comparison.verdicts if v.question.name == "accuracy")
    assert re.search(r"TOST p = \S+ for 0\.5 points \(9\d(\.\d)? % interval \S+ to \S+ points\)", accuracy.sentence)


def test_nothing_impossible_is_said_of_shares(tmp_path: Path) -> None:
    specs = crossed(["stock", "sdpa"], [0, 1])
    for spec in specs:
        spec.metrics = {"mAP50-95": 0.1 + (0.8 if (spec.arm, spec.seed) == ("sdpa", 1) else 0.0)}
    sentence = read_and_compare(write_sweep(tmp_path, specs)).verdicts[0].sentence
    assert "95 % interval -100 to +100 points" in sentence
    assert sentence.endswith("2 pairs can't be counted on to show any possible difference.")


def test_equal_figures_with_noise_are_equivalent_only_inside_the_margin(tmp_path: Path) -> None:
    specs = crossed(["stock", "sdpa"], list(range(6)))
    for spec in specs:
        value = 0.5 + spec.seed / 100 + (0.0002 * (-1) ** spec.seed if spec.arm == "sdpa" else 0)
        spec.metrics = default_metrics(spec.arm, spec.seed) | {"mAP50-95": value}
    verdict = next(v for v in compare_sweep(write_sweep(tmp_path, specs)).verdicts if v.question.name == "accuracy")
    assert verdict.kind == "equivalent"
    assert "sdpa and stock are equivalent within 0.5 points" in verdict.sentence
    assert verdict.test is not None
    assert verdict.test.p_permutation is not None


def test_figures_without_spread_are_deterministic_and_not_tested(tmp_path: Path) -> None:
    specs = crossed(["stock", "sdpa"], [0, 1])
    for spec in specs:
        spec.metrics = {"mAP50-95": 0.5 + spec.seed / 10, "train_s": 50.0 + spec.seed - (spec.arm == "sdpa")}
    verdicts = compare_sweep(write_sweep(tmp_path, specs)).verdicts
    assert [v.kind for v in verdicts] == ["deterministic", "deterministic", "no pairs"]
    assert verdicts[0].sentence == "accuracy: mAP50-95 is identical in all 2 pairs of sdpa and stock."
    assert verdicts[1].sentence == (
        "speed: sdpa is faster than stock: train_s -2.0 % (-1.00 s) in all 2 pairs, without variation."
    )
    headline = compare_sweep(tmp_path).headline
    assert headline.startswith("Accuracy against stock: sdpa is identical. Speed: sdpa is faster in all pairs (-2.0 %)")


def test_comparison_json_holds_no_nan_and_counts_every_run(tmp_path: Path) -> None:
    specs = crossed(ARMS, [0, 1])
    specs[1].status, specs[1].reason = "FAILED", "out of memory"
    compare_sweep(write_sweep(tmp_path, specs))
    text = (tmp_path / "comparison.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in comparison.json"))
    assert content["schema_version"] == 4
    assert len(content["runs"]) == 6
    assert content["runs"][1]["folder"] == "1"
    arms = {arm["name"]: (arm["num_finished"], arm["num_planned"]) for arm in content["groups"][0]["arms"]}
    assert arms == {"stock": (2, 2), "eager": (1, 2), "sdpa": (2, 2)}


def test_every_key_of_comparison_json_stands_in_the_schema(tmp_path: Path) -> None:
    import sdpa_exp.compare.report.schema as schema

    compare_sweep(write_sweep(tmp_path, crossed(["stock", "sdpa"], [0, 1])))
    content = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    group = content["groups"][0]
    parts = [content, group, group["arms"][0], group["differences"][0], group["verdicts"][0], content["runs"][0]]
    keys = {key for part in [*parts, group["differences"][0]["test"]] for key in part}
    assert [key for key in sorted(keys) if key not in (schema.__doc__ or "")] == []


def test_the_terminal_view_fits_80_columns_and_names_everything(tmp_path: Path) -> None:
    specs = crossed([*ARMS, "flash"], [0, 42])
    specs[1].status, specs[1].reason = "FAILED", "CUDA out of memory: set hardware.batch=8."
    text = printed(compare_sweep(write_sweep(tmp_path, specs)), 80)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    assert "ERROR" in text
    assert "eager seed 0: FAILED, CUDA out of memory: set hardware.batch=8." in text
    assert "flash (8)" in text
    assert "1/2" in text


def test_comparison_txt_is_plain_text(tmp_path: Path) -> None:
    compare_sweep(write_sweep(tmp_path, crossed(ARMS, [0, 42])))
    text = (tmp_path / "comparison.txt").read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert "0.50" in text
    assert text.startswith("Comparison of field\n")


def test_an_arm_that_was_refused_before_the_sweep_is_missing_with_the_reasons(tmp_path: Path) -> None:
    specs = crossed(["stock", "efficient"], [0, 1])
    for spec in specs:
        spec.has_folder = spec.arm == "stock"
    path = write_sweep(tmp_path, specs) / "sweep.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    arm = {"arm": "efficient", "reasons": ["it needs CUDA"], "sentence": "attention=efficient can't run here: no CUDA."}
    content["preflight"] = {"arms": [arm], "warnings": ["one GPU is shared"]}
    path.write_text(json.dumps(content), encoding="utf-8")
    comparison = compare_sweep(tmp_path)
    assert [f.sentence for f in comparison.findings] == [
        "2 of 2 runs of efficient did not finish (missing): attention=efficient can't run here: no CUDA.",
        "one GPU is shared",
    ]


def test_what_the_look_before_a_sweep_said_of_the_data_is_not_said_again_by_its_runs(tmp_path: Path) -> None:
    specs = crossed(["stock", "sdpa"], [0, 1])
    said, new = "2 of 9 boxes have no width.", "a.jpg is in train and in val."
    for spec in specs:
        spec.warnings = [{"code": "data_set", "message": said}]
    path = write_sweep(tmp_path, specs) / "sweep.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "preflight": {"warnings": [f"data set: {said}"]}}), encoding="utf-8")
    about = [f.code for f in compare_sweep(tmp_path).findings if said in f.sentence]
    assert about == ["preflight"]
    path.write_text(json.dumps({**content, "preflight": {"warnings": [f"data set: {new}"]}}), encoding="utf-8")
    assert {"preflight", "data_set"} <= {f.code for f in compare_sweep(tmp_path).findings}


def test_a_sweep_that_was_moved_finds_its_runs_beside_sweep_json(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, crossed(["stock", "sdpa"], [0, 1])) / "sweep.json"
    text = path.read_text(encoding="utf-8").replace('"run_dir": "', '"run_dir": "/gone/')
    path.write_text(text, encoding="utf-8")
    assert all(run.is_finished for run in compare_sweep(tmp_path).runs)


def test_a_sweep_where_nothing_finished_still_answers(tmp_path: Path) -> None:
    specs = [RunSpec(arm=arm, seed=0, has_folder=False) for arm in ("stock", "sdpa")]
    comparison = compare_sweep(write_sweep(tmp_path, specs))
    assert [f.code for f in comparison.findings] == ["runs-lost", "runs-lost"]
    assert "no verdict on sdpa against stock" in printed(comparison, 80)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "sweep.json is missing: expected the folder of a sweep"),
        ("{", "sweep.json is not JSON"),
        ('{"schema_version": 7}', "has schema version 7, and this version reads 1"),
        ('{"schema_version": 1, "jobs": []}', "names no jobs"),
    ],
)
def test_a_folder_that_is_no_sweep_is_refused_in_words(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "sweep.json").write_text(content, encoding="utf-8")
    with pytest.raises(ComparisonError, match=words):
        compare_sweep(tmp_path)


@pytest.mark.parametrize(
    ("result", "words"),
    [('{"schema_version": 9}', "has another schema version than 1"), ('{"schema_ver', "is not JSON")],
)
def test_a_result_that_cannot_be_read_is_a_missing_run(tmp_path: Path, result: str, words: str) -> None:
    write_sweep(tmp_path, crossed(["stock", "sdpa"], [0, 1]))
    (tmp_path / "3" / "result.json").write_text(result, encoding="utf-8")
    comparison = compare_sweep(tmp_path)
    assert words in (comparison.runs[3].reason or "")
    assert comparison.groups[0].differences[0].test.n == 1


def test_a_copied_sweep_compares_its_own_runs_while_the_original_is_still_there(tmp_path: Path) -> None:
    original = write_sweep(tmp_path / "sweep", crossed(["stock", "sdpa"], [0]))
    copy = shutil.copytree(original, tmp_path / "copy")
    assert [run.folder.parent for run in read_sweep(copy).runs] == [copy, copy]
