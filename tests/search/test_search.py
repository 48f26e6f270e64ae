"""A whole search: killed in the middle, resumed, and ended with its best setting, pictures and a closed MLflow run."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from sdpa_exp.runs.files import PROGRESS_FILE, read_json
from sdpa_exp.runs.sweep import read_sweep
from tests.faults.processes import TINY, start, unreadable, wait_for_orphans

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("optuna", reason="optuna is not installed: the extra `search` has it")
pytestmark = pytest.mark.slow

SEARCH = (
    *TINY,
    "hydra/sweeper=search",
    "hydra.sweeper.num_trials=4",
    "train.lr0=tag(log,interval(0.001,0.1))",
    "train.epochs=2,3",
    "objective.bound=train_s",
    "objective.bound_value=600",
    "hydra.sweep.dir=sweep",
    "-m",
)


def test_a_search_that_is_killed_goes_on_with_what_it_had_learnt(tmp_path: Path) -> None:
    command, folder = start(SEARCH, tmp_path), tmp_path / "sweep"
    assert command.wait_until(lambda: bool(list(folder.glob(f"1_*/{PROGRESS_FILE}")))), command.output
    command.send("parent", signal.SIGKILL)
    command.wait()
    wait_for_orphans(folder)
    before = read_sweep(folder)
    assert len(before.search["trials"]) == 2
    first = (before.jobs[0].run_dir / "result.json").read_bytes()

    looked = start(["task=status", "status.folder=sweep"], tmp_path)
    assert looked.wait() != 0
    assert "To go on:  python -m sdpa_exp resume=sweep" in looked.output
    assert "trial 1: train." in looked.output
    assert "2 trials to come" in looked.output

    again = start(["resume=sweep"], tmp_path)
    assert again.wait() == 0, again.output
    assert "resume: 1 trials are kept, 1 were cut off and run again" in again.output
    assert "search: 4 complete; best mAP50-95" in again.output
    assert "Traceback" not in command.output + looked.output + again.output
    after = read_sweep(folder)
    assert {num: after.search["trials"][num] for num in before.search["trials"]} == before.search["trials"]
    assert [job.num for job in after.jobs] == [0, 1, 2, 3]
    assert (after.jobs[0].run_dir / "result.json").read_bytes() == first
    assert (after.jobs[1].run_dir / "attempts" / "1").is_dir()
    assert unreadable(folder) == []
    found = read_json(folder / "search.json") or {}
    assert [trial["state"] for trial in found["trials"]] == ["complete"] * 4
    assert found["best"]["params"] in after.search["trials"].values()

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/multirun/mlflow.db")
    (experiment,) = (each for each in client.search_experiments() if each.name == "smoke")
    runs = client.search_runs([experiment.experiment_id])
    assert "RUNNING" not in {run.info.status for run in runs}
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert parent.data.metrics["search/complete"] == 4
    assert "pictures/search_history.png" in {
        each.path for each in client.list_artifacts(parent.info.run_id, "pictures")
    }
