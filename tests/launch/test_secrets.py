"""Passwords in the environment stay there: a planted one is in no file, no store and on no screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.data.local_server import Answers, roboflow_export, serving
from tests.launch.conftest import PLANTED, TINY, Finished, sdpa_exp

MARK = b"pl4nted"


def places_of_the_secret(folder: Path) -> list[str]:
    """Files below a folder with a planted value in name or content; the store's database is one of them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if MARK in path.read_bytes() or MARK.decode() in str(path)]


def test_no_file_of_a_sweep_and_no_line_on_the_screen_has_a_planted_secret(sweep: Finished) -> None:
    assert all(MARK.decode() in value for value in PLANTED.values())
    assert {path.suffix for path in sweep.cwd.rglob("*")} >= {".db", ".yaml", ".json", ".jsonl", ".log", ".pt", ".html"}
    assert places_of_the_secret(sweep.cwd) == []
    assert MARK.decode() not in sweep.stdout + sweep.stderr


def test_code_that_prints_and_raises_its_environment_gives_no_secret_away(tmp_path: Path) -> None:
    leaky = (
        "attention.backend=tests.launch.leaky:LEAKY",
        "attention.name=leaky",
        "train.epochs=1",
        "hydra.run.dir=run",
    )
    done = sdpa_exp(*TINY, *leaky, cwd=tmp_path, HYDRA_FULL_ERROR="1")
    assert done.returncode != 0
    log = (tmp_path / "run" / "worker.log").read_text(encoding="utf-8")
    assert "Traceback" in log
    assert "environment of the worker: {" in log
    assert "MLFLOW_TRACKING_URI': 'http://127.0.0.1:9'" in log  # the address is no secret
    assert "an error with all it knows" in json.loads((tmp_path / "run" / "result.json").read_text())["reason"]
    if "task=sync" in done.stdout:  # a busy machine: what the store lacks is sent by the line that was printed
        sdpa_exp("task=sync", "sync.folder=run", cwd=tmp_path)
    client = MlflowClient(f"sqlite:///{tmp_path}/multirun/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("smoke").experiment_id])
    assert "an error with all it knows" in run.data.tags["reason"]
    assert places_of_the_secret(tmp_path) == []
    assert MARK.decode() not in done.stdout + done.stderr


@pytest.mark.parametrize("mode", [(), ("attention=stock,sdpa", "-m")], ids=["run", "sweep"])
def test_an_address_with_a_password_is_refused_before_anything_is_written(
    mode: tuple[str, ...], tmp_path: Path
) -> None:
    uri = "tracking.uri=http://ann:pl4nted-in-the-address@127.0.0.1:9"
    done = sdpa_exp(*TINY, "tracking=server", uri, *mode, cwd=tmp_path, HYDRA_FULL_ERROR="1")
    assert done.returncode == 2
    assert "tracking.uri holds a user, a password or a query" in done.stderr
    assert MARK.decode() not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("dataset.path=s3://key:pl4nted@bucket", "dataset.path holds an address with a user or password"),
        ("trackin.uri=http://ann:pl4nted@host", "trackin.uri holds an address with a user or password"),
        ("name=pl4nted-roboflow", "name holds the value of a secret variable of the environment"),
    ],
)
def test_an_override_that_holds_a_secret_is_refused_without_showing_it(
    override: str, words: str, tmp_path: Path
) -> None:
    done = sdpa_exp(*TINY, override, cwd=tmp_path, HYDRA_FULL_ERROR="1")
    assert done.returncode == 2
    assert words in done.stderr
    assert MARK.decode() not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_key_of_a_data_set_is_in_no_file_of_a_training_on_it(tmp_path: Path) -> None:
    counts = ("dataset.num_train_images=3", "dataset.num_val_images=2", "dataset.name=weeds")
    tiny = ("train.epochs=1", "train.imgsz=64", "hardware=cpu", "hardware.batch=2")
    answers = Answers(files={"/export.zip": roboflow_export(tmp_path)})
    with serving(answers) as api:
        done = sdpa_exp(
            "dataset=weeds3", f"dataset.api={api}", *counts, *tiny, cwd=tmp_path, SDPA_EXP_CACHE=str(tmp_path / "cache")
        )
    assert done.returncode == 0, done.stderr
    assert "version 3: 3 train and 2 val images; dataset.digest=" in done.stdout
    assert len(answers.asked) == 2
    assert places_of_the_secret(tmp_path) == []
    assert MARK.decode() not in done.stdout + done.stderr
