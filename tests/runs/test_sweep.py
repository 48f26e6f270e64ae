"""sweep.json: what it keeps, and that a copied or moved sweep is read as itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sdpa_exp.config.plan import read_plan, write_plan
from sdpa_exp.errors import ComparisonError
from sdpa_exp.runs.files import SWEEP_FILE
from sdpa_exp.runs.sweep import Sweep, SweepJob, read_sweep, write_sweep
from tests.runs.folders import plan_for


def sweep_in(folder: Path) -> Sweep:
    folder.mkdir(parents=True)
    jobs = [
        SweepJob(num=num, run_dir=folder / f"{num}_{arm}_seed0", arm=arm, seed=0, title=f"{arm} seed 0")
        for num, arm in enumerate(("stock", "flash"))
    ]
    sweep = Sweep(folder=folder, name="handmade", arms=("stock", "flash"), seeds=(0,), jobs=tuple(jobs))
    write_sweep(sweep)
    for job in jobs:
        write_plan(plan_for(job.run_dir, arm=job.arm, sweep_dir=str(folder)))
    return sweep


def test_a_sweep_is_read_as_it_was_written(tmp_path: Path) -> None:
    sweep = sweep_in(tmp_path / "sweep")
    assert read_sweep(tmp_path / "sweep") == sweep


@pytest.mark.parametrize("is_old", [False, True], ids=["relative paths", "absolute paths of older versions"])
def test_a_copied_sweep_names_its_own_runs_and_not_the_originals(is_old: bool, tmp_path: Path) -> None:
    original, copy = tmp_path / "sweep", tmp_path / "elsewhere" / "copy"
    sweep_in(original)
    if is_old:
        content = json.loads((original / SWEEP_FILE).read_text(encoding="utf-8"))
        for job in content["jobs"]:
            job["run_dir"] = str(original / job["run_dir"])
        (original / SWEEP_FILE).write_text(json.dumps(content), encoding="utf-8")
    shutil.copytree(original, copy)
    assert [job.run_dir for job in read_sweep(copy).jobs] == [copy / "0_stock_seed0", copy / "1_flash_seed0"]
    for job in read_sweep(copy).jobs:
        plan = read_plan(job.run_dir)
        assert (plan.run_dir, plan.job.sweep_dir) == (job.run_dir, str(copy))


def test_a_run_that_left_its_sweep_still_knows_where_that_is(tmp_path: Path) -> None:
    (job, _) = sweep_in(tmp_path / "sweep").jobs
    moved = job.run_dir.rename(tmp_path / "alone")
    plan = read_plan(moved)
    assert (plan.run_dir, plan.job.sweep_dir) == (moved, str(tmp_path / "sweep"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"sweep\.json is missing: expected the folder of a sweep that sdpa_exp began"),
        ("{", r"sweep\.json is not JSON"),
        ('{"schema_version": 99}', "has schema version 99, and this version reads 1"),
    ],
)
def test_what_is_no_sweep_is_refused_in_one_sentence(content: str | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / SWEEP_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(ComparisonError, match=words):
        read_sweep(tmp_path)
