"""Which runs are compared with each other: what differs harmlessly keeps nothing apart, and is said."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.compare.run_compare import compare_runs, read_and_compare
from sdpa_exp.config.schema import CompareConfig
from tests.compare.findings.provoke import clean, found, only
from tests.compare.folders import RunSpec, crossed, write_run, write_sweep

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.name", "mine"),
        ("dataset.name", "mine"),
        ("hardware.name", "my_laptop"),
        ("train.name", "mine"),
        ("telemetry.name", "mine"),
        ("telemetry.period_s", 5.0),
    ],
)
def test_a_label_that_differs_keeps_no_runs_apart_and_is_an_info(tmp_path: Path, name: str, value: object) -> None:
    specs = clean()
    for spec in specs:
        spec.labels = {name: value} if spec.arm == "sdpa" else {}
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    assert f"{name} (" in only(comparison, "labels-differ", "info")
    assert str(value) in comparison.findings[0].sentence
    assert comparison.groups[0].differences[0].test.n == 2


def test_a_moved_data_set_with_the_same_digest_is_one_group(tmp_path: Path) -> None:
    specs = [
        dataclasses.replace(spec, data_path=f"/{spec.arm}/weeds", digests={"data_set": "same"}) for spec in clean()
    ]
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    assert "dataset.path (/stock/weeds, /sdpa/weeds)" in only(comparison, "labels-differ", "info")
    assert len(comparison.verdicts) == 3
    assert {run.group_id for run in comparison.runs} == {comparison.groups[0].group_id}


def test_two_data_sets_of_other_content_or_unknown_content_are_two_groups(tmp_path: Path) -> None:
    for num, digests in enumerate(({"data_set": "{arm}"}, {"final_weights": "{arm}{seed}"})):
        specs = [
            dataclasses.replace(
                spec,
                data_path=f"/{spec.arm}/weeds",
                digests={k: v.format(arm=spec.arm, seed=spec.seed) for k, v in digests.items()},
            )
            for spec in clean()
        ]
        comparison = read_and_compare(write_sweep(tmp_path / str(num), specs))
        ((severity, sentence),) = found(comparison, "settings-differ")
        assert severity == "error"
        assert "dataset.path (/stock/weeds, /sdpa/weeds)" in sentence
        assert comparison.verdicts == ()


def test_a_folder_whose_group_id_counted_labels_still_finds_its_partners(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / str(num), spec) for num, spec in enumerate(clean())]
    for folder in folders[:2]:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        (folder / "result.json").write_text(json.dumps({**result, "group_id": "of-an-older-version"}), encoding="utf-8")
    comparison = compare_runs(folders, baseline="stock", config=CompareConfig(), out_dir=tmp_path / "out")
    assert comparison.groups[0].differences[0].test.n == 2


def on(host: str, specs: list[RunSpec]) -> list[RunSpec]:
    return [dataclasses.replace(spec, environment={"host": host, "cpu": "one model"}) for spec in specs]


def test_a_seed_that_ran_on_two_laptops_is_two_pairs_each_inside_its_laptop(tmp_path: Path) -> None:
    specs = [*on("ann", crossed(["stock", "sdpa"], [0, 1])), *on("bob", crossed(["stock", "sdpa"], [0, 1, 2]))]
    for num, spec in enumerate(specs):
        spec.curve = [0.1, 0.2, 0.3 + num / 1000]
        spec.digests = {"initial_weights": f"init{spec.seed}"}
    comparison = read_and_compare(write_sweep(tmp_path, specs))
    assert comparison.groups[0].differences[0].seeds == ("0 on ann", "1 on ann", "0 on bob", "1 on bob", 2)
    assert found(comparison, "duplicate-seed") == []


def test_pairs_that_ran_on_different_processors_are_an_error(tmp_path: Path) -> None:
    specs = clean()
    for spec in specs:
        spec.environment = {"gpu": "NVIDIA T4" if spec.arm == "sdpa" and spec.seed else "NVIDIA H200"}
    ((severity, sentence),) = found(read_and_compare(write_sweep(tmp_path, specs)), "machines-differ")
    assert severity == "error"
    assert "In 1 of 2 pairs sdpa ran on another machine than stock (NVIDIA T4; NVIDIA H200)" in sentence
