"""What a search learns from run folders, and what it refuses."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import math
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from sdpa_exp.config.objectives import resolved_objective
from sdpa_exp.errors import ConfigError, RunError
from sdpa_exp.runs.files import HEADLINE_FILE, read_json
from sdpa_exp.runs.sweep import Sweep, read_sweep, write_sweep
from sdpa_exp.search.report import end_search
from sdpa_exp.search.study import best_trial, propose, require_optuna, trials_of
from sdpa_exp.search.sweeper import next_trials
from tests.config.composing import compose_plan
from tests.runs.folders import end_run, start_run
from tests.runs.folders import write_sweep as write_folders

if TYPE_CHECKING:
    from pathlib import Path

OBJECTIVE = {"metric": "mAP50-95", "direction": "maximize", "bound": "train_s", "bound_value": 60.0}
SPACE: dict[str, Any] = {
    "train.lr0": {"kind": "float", "low": 0.001, "high": 0.1, "log": True},
    "train.epochs": {"kind": "int", "low": 1, "high": 9},
    "train.optimizer": {"kind": "choice", "choices": ["SGD", "AdamW"]},
}


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Six trials: three complete, of which the best is too slow, one failed, one of NaN, one that was cut off."""
    folders = write_folders(tmp_path, [("sdpa", 0)] * 6, names="{num}_trial")
    for run_dir, (accuracy, train_s) in zip(folders, [(0.4, 50.0), (0.6, 70.0), (0.5, 60.0)], strict=False):
        end_run(run_dir, start_run(run_dir, arm="sdpa"), metrics={"mAP50-95": accuracy, "train_s": train_s})
    end_run(folders[3], start_run(folders[3], arm="sdpa"), status="FAILED", reason="out of memory", exit_code=7)
    end_run(folders[4], start_run(folders[4], arm="sdpa"), metrics={"mAP50-95": math.nan, "train_s": 50.0})
    start_run(folders[5], arm="sdpa")
    params = [{"train.lr0": 0.001 * (num + 1), "train.epochs": num + 1, "train.optimizer": "SGD"} for num in range(6)]
    trials = {str(num): each for num, each in enumerate(params)}
    search = {"objective": OBJECTIVE, "num_trials": 8, "seed": 0, "space": SPACE, "trials": trials}
    write_sweep(dataclasses.replace(read_sweep(tmp_path), search=search))
    return read_sweep(tmp_path)


def test_runs_that_failed_or_measured_nothing_are_failed_trials_and_a_bound_is_kept(sweep: Sweep) -> None:
    trials = trials_of(sweep)
    assert [trial.state for trial in trials] == ["complete"] * 3 + ["failed"] * 2 + ["open"]
    assert [trial.is_within for trial in trials[:3]] == [True, False, True]
    assert [trial.why for trial in trials[3:5]] == ["out of memory", "mAP50-95 is nan"]
    best = best_trial(trials, OBJECTIVE)
    assert best is not None
    assert best.num == 2


def test_an_end_names_the_best_setting_and_what_is_missing(sweep: Sweep) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: the extra `search` has it")
    screen = io.StringIO()
    assert end_search(sweep, Console(file=screen, width=120)) == RunError.exit_code  # two trials are to come
    text = screen.getvalue()
    assert "search: 3 complete, 2 failed, 1 not run; best mAP50-95 0.5 with train_s 60 in trial 2" in text
    assert "trial 3 failed: out of memory" in text
    assert "70 outside" in text
    assert "to train with it:  train.lr0=0.003 train.epochs=3 train.optimizer=SGD" in text
    assert "partly luck" in text
    headline = read_json(sweep.folder / HEADLINE_FILE) or {}
    assert headline["metrics"]["search/best"] == 0.5
    assert {path.name for path in sweep.folder.glob("*.png")} >= {"search_history.png", "search_slice.png"}


def test_where_nothing_keeps_to_the_bound_there_is_no_best_setting(sweep: Sweep) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: the extra `search` has it")
    screen = io.StringIO()
    strict = dataclasses.replace(sweep, search={**sweep.search, "objective": {**OBJECTIVE, "bound_value": 1.0}})
    assert end_search(strict, Console(file=screen, width=120)) == RunError.exit_code
    assert "no best setting; none keeps train_s to 1" in screen.getvalue()


def test_what_was_cut_off_comes_first_and_new_settings_are_the_same_for_the_same_folders(sweep: Sweep) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: the extra `search` has it")
    assert list(next_trials(sweep.folder, set(), num_trials=8, at_once=3)) == [5]
    expected = propose(sweep, 2)
    chosen = next_trials(sweep.folder, {5}, num_trials=8, at_once=3)
    assert chosen == {6: expected[0], 7: expected[1]}
    assert expected[0] != expected[1]
    assert all(0.001 <= each["train.lr0"] <= 0.1 and each["train.epochs"] in range(1, 10) for each in expected)
    assert read_sweep(sweep.folder).search["trials"]["7"] == expected[1]
    assert next_trials(sweep.folder, {5, 6, 7}, num_trials=8, at_once=3) == {}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("objective.metric=train_ms",), r"objective\.metric=train_ms can't work: expected one of mAP50.*train_s"),
        (("objective.direction=minimize",), "would look for the worst mAP50-95: expected maximize. Leave it out"),
        (("objective.metric=best_epoch",), "is better neither way by itself: expected a direction"),
        (("objective.bound=train_s",), r"belong together: expected both or neither, such as objective\.bound=train_s"),
        (("objective.bound=best_epoch", "objective.bound_value=1"), r"objective\.bound=best_epoch can't work"),
    ],
)
def test_an_objective_that_cannot_work_is_refused(overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolved_objective(compose_plan(*overrides))


def test_the_first_primary_metric_is_the_objective_where_none_is_named() -> None:
    found = resolved_objective(compose_plan("objective.bound=images_per_s", "objective.bound_value=10"))
    assert found == {"metric": "mAP50-95", "direction": "maximize", "bound": "images_per_s", "bound_value": 10.0}


@pytest.mark.parametrize(
    ("version", "words"), [("2.10.1", "can't work with optuna 2.10.1: expected 5.x"), ("6.0.0", "optuna 6")]
)
def test_another_optuna_than_was_run_is_refused(version: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    with pytest.raises(ConfigError, match=words):
        require_optuna()
