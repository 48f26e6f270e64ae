"""Comparing runs that MLflow names: by experiment, by the parent of a sweep, by one run; from folders or copies."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sdpa_exp.config.schema import CompareConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.launch.launch import run_single
from sdpa_exp.tracking.recall import recall
from tests.config.composing import compose_plan
from tests.runs.folders import plan_for, whole_run, write_sweep
from tests.tracking.conftest import all_runs, only_run

if TYPE_CHECKING:
    from sdpa_exp.config.schema import TrackingConfig
    from sdpa_exp.tracking.tracker import Tracker

JOBS = [("stock", 0), ("flash", 0), ("stock", 1), ("flash", 1)]


@pytest.fixture
def sweep_dir(tracker: Tracker, tmp_path: Path) -> Path:
    """A sweep of four runs, all of it in the store."""
    folder = tmp_path / "sweep"
    for num, (run_dir, (arm, seed)) in enumerate(zip(write_sweep(folder, JOBS), JOBS, strict=True)):
        run_dir.mkdir()
        whole_run(run_dir, arm=arm, seed=seed, offset=num / 10, sweep_dir=str(folder), num=num, num_jobs=len(JOBS))
    tracker.sync(folder)
    return folder


def compared(config: TrackingConfig, source: str, out: Path) -> dict[str, Any]:
    plan = plan_for(out)
    plan = dataclasses.replace(
        plan,
        baseline=None,
        task=dataclasses.replace(plan.task, name="compare"),
        tracking=config,
        compare=CompareConfig(runs=[source]),
    )
    assert run_single(plan) == 0
    content: dict[str, Any] = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    return content


def test_an_experiment_and_the_parent_of_a_sweep_lead_to_the_run_folders(
    config: TrackingConfig, client: Any, sweep_dir: Path, tmp_path: Path
) -> None:
    parent = only_run(client, arms="stock, flash").info.run_id
    for number, source in enumerate(("mlflow:handmade", f"mlflow:{parent}")):
        content = compared(config, source, tmp_path / f"out{number}")
        assert content["name"] == source
        assert content["baseline"] == "stock"
        assert {(run["arm"], run["seed"], run["status"]) for run in content["runs"]} == {
            (arm, seed, "FINISHED") for arm, seed in JOBS
        }
        assert all(run["folder"].startswith("../sweep/") for run in content["runs"])


def test_without_the_folders_the_files_of_the_store_are_compared_and_without_those_its_metrics(
    config: TrackingConfig, client: Any, sweep_dir: Path, tmp_path: Path
) -> None:
    before = compared(config, "mlflow:handmade", tmp_path / "before")
    sweep_dir.rename(tmp_path / "moved")
    fetched = compared(config, "mlflow:handmade", tmp_path / "fetched")
    assert fetched["groups"][0]["differences"] == before["groups"][0]["differences"]
    assert {run["group_id"] for run in fetched["runs"]} == {run["group_id"] for run in before["runs"]}
    assert all(run["folder"].startswith("mlflow/") for run in fetched["runs"])

    shutil.rmtree(Path(config.uri.removeprefix("sqlite:///")).parent / "mlartifacts")  # type: ignore[union-attr]
    rebuilt = compared(config, "mlflow:handmade", tmp_path / "rebuilt")
    speeds = [
        next(d["test"]["mean"] for d in content["groups"][0]["differences"] if d["metric"] == "train_s")
        for content in (before, rebuilt)
    ]
    assert speeds[0] == pytest.approx(speeds[1])
    assert [run["group_id"] for run in rebuilt["runs"]] == [run["group_id"] for run in before["runs"]]
    assert rebuilt["groups"][0]["arms"][0]["kernels"] == before["groups"][0]["arms"][0]["kernels"]
    assert "rebuilt-from-mlflow" in {finding["code"] for finding in rebuilt["findings"]}
    curves = [json.loads(line) for line in next(tmp_path.glob("rebuilt/mlflow/stock_seed_0*/events.jsonl")).open()]
    assert [event["epoch"] for event in curves] == [1, 2, 3]
    assert curves[-1]["metrics"]["mAP50"] == pytest.approx(0.8)
    assert curves[-1]["train_s"] == pytest.approx(20.0)


def test_what_cannot_be_found_is_said_in_one_sentence(
    config: TrackingConfig, client: Any, sweep_dir: Path, tmp_path: Path
) -> None:
    tags = {"sdpa_exp.key": "k" * 32, "run_dir": str(tmp_path)}
    verified = client.create_run(client.create_experiment("empty"), tags=tags).info.run_id
    client.log_param(verified, "task", "verify")
    one = next(run for run in all_runs(client) if run.data.tags.get("arm") == "flash")
    for name, words in (
        ("nothing", r"mlflow:nothing is no experiment in sqlite.*: expected one of .*handmade.*tracking\.uri="),
        ("0" * 32, r"is no run in sqlite.*: expected the id of a run or of a sweep's parent\."),
        ("empty", r"mlflow:empty holds no trainings of sdpa_exp in sqlite"),
    ):
        with pytest.raises(TrackingError, match=words):
            recall(config, name, tmp_path)
    (found,) = recall(config, one.info.run_id, tmp_path).folders
    assert found == Path(one.data.tags["run_dir"])
    with pytest.raises(TrackingError, match="tracking=none has no store to look in"):
        recall(dataclasses.replace(config, kind="none"), "handmade", tmp_path)
    with pytest.raises(
        TrackingError, match=r"there is no MLflow store .*: expected the one that the runs were sent to"
    ):
        recall(dataclasses.replace(config, uri=f"sqlite:///{tmp_path}/other.db"), "handmade", tmp_path)
    assert not (tmp_path / "other.db").exists()


def test_a_run_of_which_the_store_has_only_the_name_is_said_to_be_lost(
    config: TrackingConfig, client: Any, tmp_path: Path
) -> None:
    tags = {"sdpa_exp.key": "k" * 32, "run_dir": str(tmp_path / "gone")}
    run = client.create_run(client.create_experiment("bare"), run_name="bare", tags=tags)
    client.log_metric(run.info.run_id, "mAP50", 0.5)
    with pytest.raises(TrackingError, match=r"nothing is left of run .* \(bare\) but its name: its folder .*gone is"):
        recall(config, "bare", tmp_path / "copies")


def test_the_bare_id_of_a_run_is_enough() -> None:
    run_id = "0123456789abcdef" * 2
    runs = f"task=compare compare.runs=[{run_id},mlflow:comparison,a]".split()
    assert compose_plan(*runs).compare.runs == [f"mlflow:{run_id}", "mlflow:comparison", str(Path("a").absolute())]
