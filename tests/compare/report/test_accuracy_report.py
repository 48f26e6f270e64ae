"""Accuracy by size and class, intervals and learning in a comparison, and what it says where a folder lacks them."""

from __future__ import annotations

import csv
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sdpa_exp.compare.report.accuracy_tables import accuracy_tables
from sdpa_exp.compare.run_compare import compare_runs, compare_sweep
from sdpa_exp.config.schema import CompareConfig
from tests.compare.accurate import write_accuracy
from tests.compare.folders import RunSpec, crossed, write_plain, write_sweep
from tests.compare.report.test_report import Page

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.compare.comparison import Comparison


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = write_sweep(tmp_path_factory.mktemp("sweep"), crossed(["stock", "sdpa"], [0, 42]))
    for num in range(4):
        write_accuracy(folder / str(num), seed=num)
    return compare_sweep(folder)


def group_of(comparison: Comparison) -> dict[str, Any]:
    content = json.loads((comparison.folder / "comparison.json").read_text(encoding="utf-8"))
    (group,) = content["groups"]
    assert isinstance(group, dict)
    return group


def test_sizes_are_described_by_arm_with_their_box_counts(comparison: Comparison) -> None:
    told = {part["name"]: part for part in group_of(comparison)["accuracy"]["sizes"]}
    runs = [json.loads((comparison.folder / str(num) / "accuracy.json").read_text()) for num in range(4)]
    values = [run["sizes"]["medium"]["AP50-95"] for run in runs]
    assert told["medium"]["by_arm"]["stock"]["mean"] == pytest.approx((values[0] + values[2]) / 2)
    counts = [run["sizes"]["medium"]["num_boxes"] for run in runs]
    assert told["medium"]["num_boxes"] == [min(counts), max(counts)]


def test_a_class_without_boxes_has_a_row_and_no_figure(comparison: Comparison) -> None:
    table = next(t for t in accuracy_tables(comparison.groups[0]) if t.name == "classes")
    assert table.rows[2] == ("never <seen>", "0", "-", "-")
    assert table.rows[0][2] == "0.501 ± 0.001"  # runs 0 and 2
    part = group_of(comparison)["accuracy"]["classes"][2]
    assert part["reason"] == "the val images have no such boxes"


def test_runs_stand_with_their_intervals_and_the_words_on_what_those_mean(comparison: Comparison) -> None:
    table = next(t for t in accuracy_tables(comparison.groups[0]) if t.name == "accuracy_runs")
    low, high = group_of(comparison)["accuracy"]["runs"][0]["intervals"]["mAP50-95"]
    assert table.rows[0][:2] == ("stock seed 0", f"0.550 [{low:.3f}, {high:.3f}]")
    assert "30 val images" in table.caption
    assert "1000 resamples" in table.caption
    assert "nothing about another seed" in table.caption


def test_a_table_without_intervals_says_why_and_nothing_of_brackets(comparison: Comparison) -> None:
    group = comparison.groups[0]
    none = {"mAP50-95": None, "mAP50": None, "num_resamples": 0, "reason": "8 val images are too few"}
    measured = tuple(
        dataclasses.replace(run, accuracy={**(run.accuracy or {}), "intervals": none})
        for run in group.accuracy.measured
    )
    group = dataclasses.replace(group, accuracy=dataclasses.replace(group.accuracy, measured=measured))
    table = next(t for t in accuracy_tables(group) if t.name == "accuracy_runs")
    assert "No interval: 8 val images are too few." in table.caption
    assert "in brackets" not in table.caption


def test_arms_stand_with_their_difference_and_what_other_images_might_have_given(comparison: Comparison) -> None:
    table = next(t for t in accuracy_tables(comparison.groups[0]) if t.name == "image_differences")
    found = group_of(comparison)["accuracy"]["differences"][0]
    runs = [json.loads((comparison.folder / str(num) / "accuracy.json").read_text()) for num in range(4)]
    by_run = [run["intervals"]["resampled"] for run in runs]
    drawn = [(a - b + c - d) / 2 for b, a, d, c in zip(*by_run, strict=True)]
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]))
    arm, seeds, difference, _ = table.rows[0]
    assert (arm, seeds) == ("sdpa", "2")
    assert difference.endswith(" points")
    assert float(difference.split()[0]) == pytest.approx(100 * found["mean"], abs=0.06)
    assert "what other seeds might have given is in the verdicts" in table.caption
    assert "resampled" not in group_of(comparison)["accuracy"]["runs"][0]["intervals"]


def test_page_and_markdown_have_the_sections_and_the_figure(comparison: Comparison) -> None:
    text = (comparison.folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    for title in ("AP by object size", "AP by class", "best.pt of each run", "How the arms learned"):
        assert f">{title}</h2>" in text
    assert f"sizes-{comparison.groups[0].group_id}" in page.ids
    assert "never &lt;seen&gt;" in text
    assert page.open == []
    markdown = (comparison.folder / "report.md").read_text(encoding="utf-8")
    assert "| small (up to 32² px) |" in markdown
    assert "| never <seen> | 0 | - | - |" in markdown


def test_tables_for_papers_and_spreadsheets_are_written(comparison: Comparison) -> None:
    tables = comparison.folder / "tables"
    assert {f"{name}.tex" for name in ("sizes", "classes", "accuracy_runs", "learning")} <= {
        path.name for path in tables.iterdir()
    }
    with (tables / "sizes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 4  # runs, and sizes with "all"
    told = json.loads((comparison.folder / "0" / "accuracy.json").read_text())["sizes"][rows[1]["size"]]["AP50-95"]
    assert float(rows[1]["AP50-95"]) == told
    with (tables / "learning.csv").open(encoding="utf-8") as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["0", "42", "0", "42"]


def test_a_run_folder_from_before_says_what_is_missing_and_keeps_its_curve(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, crossed(["stock", "sdpa"], [0, 42]))
    write_accuracy(folder / "0", seed=0)
    (folder / "1" / "accuracy.json").write_text('{"schema_version": 99}', encoding="utf-8")
    write_accuracy(folder / "2", seed=2, is_evaluated=False)
    comparison = compare_sweep(folder)
    facts = comparison.groups[0].accuracy
    assert facts.missing == (
        "1 of 4 runs: best.pt was not evaluated.",
        "2 of 4 runs: written without an accuracy.json that this version reads.",
    )
    assert len(facts.learning) == 4
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "Not measured in 2 of 4 runs: written without an accuracy.json" in text
    assert next(t for t in accuracy_tables(comparison.groups[0]) if t.name == "sizes").rows[2][3] == "-"


def test_plain_folders_have_their_learning_and_a_reason_for_the_rest(tmp_path: Path) -> None:
    a = write_plain(tmp_path / "a", curve=[0.1, 0.3, 0.48, 0.5, 0.5])
    b = write_plain(tmp_path / "b", curve=[0.0, 0.0, 0.0, 0.0, 0.0])
    comparison = compare_runs([a, b], baseline="a", config=CompareConfig(), out_dir=tmp_path / "out")
    tables = {table.name: table for table in accuracy_tables(comparison.groups[0])}
    assert set(tables) == {"learning"}
    assert tables["learning"].rows[0] == ("a", "1", "2", "3", "3", "4", "4", "-", "1.15")
    assert tables["learning"].rows[1] == ("b", "1", "-", "-", "-", "-", "1", "-", "0.00")
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Not measured in 2 of 2 runs: plain Ultralytics folders" in text
    assert "AP by object size" in text


def test_many_rows_are_folded(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, [RunSpec(arm="stock", seed=seed) for seed in range(13)])
    for num in range(13):
        write_accuracy(folder / str(num), seed=num, num_images=10)
    compare_sweep(folder)
    assert "<details><summary>13 rows</summary>" in (folder / "report.html").read_text(encoding="utf-8")
