"""A search that goes on: finished trials that were made with something else than now are named before anything runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from sdpa_exp.config.launchers import Launcher
from sdpa_exp.errors import ConfigError
from sdpa_exp.launch import on_node
from sdpa_exp.launch.begin_search import begin_search
from sdpa_exp.runs.attempts import earlier_attempts
from sdpa_exp.runs.files import RESULT_FILE
from sdpa_exp.runs.sweep import read_sweep
from tests.runs.folders import ENVIRONMENT, plan_for, start_run, whole_run, write_sweep

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.config.plan import Plan

SEARCH = {
    "objective": {"metric": "mAP50", "direction": "maximize", "bound": None, "bound_value": None},
    "num_trials": 2,
    "seed": 0,
    "space": {"train.lr0": {"kind": "float", "low": 0.1, "high": 0.9, "log": False}},
    "trials": {},
}


@pytest.fixture
def sweep_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search of which one trial has finished and one was cut off."""
    preflight = {
        "environment": ENVIRONMENT, "hardware": [], "arms": [], "same_kernel": [], "warnings": [], "data_sets": [],
    }  # fmt: skip
    monkeypatch.setattr(on_node, "ask_preflight", lambda plans, sweep_dir: preflight)
    params = {"0": {"train.lr0": 0.2}, "1": {"train.lr0": 0.3}}
    whole, cut_off = write_sweep(tmp_path, [("flash", 0), ("flash", 0)], search={**SEARCH, "trials": params})
    whole_run(whole)
    start_run(cut_off)
    return tmp_path


def _go_on(sweep_dir: Path, changed: str | None = None, **train: Any) -> None:
    plan: Plan = plan_for(sweep_dir)
    plan = dataclasses.replace(
        plan, train=dataclasses.replace(plan.train, **train), tracking=dataclasses.replace(plan.tracking, kind="none")
    )
    begin_search(plan, sweep_dir, "python -m sdpa_exp ...", SEARCH, Launcher(), changed=changed)


def test_what_is_searched_is_no_change_and_what_is_not_needs_a_word(
    sweep_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (sweep_dir / "sweep.json").read_bytes()
    with pytest.raises(ConfigError, match=r"1 finished runs were .*: train\.imgsz 160 -> 320 \(1 run\)\. Expected"):
        _go_on(sweep_dir, lr0=0.5, imgsz=320)
    assert (sweep_dir / "sweep.json").read_bytes() == before, "nothing was touched"
    _go_on(sweep_dir, lr0=0.5)
    assert "resume: 1 trials are kept, 1 were cut off and run again\n" in capsys.readouterr().out


@pytest.mark.parametrize(("changed", "num_kept"), [("keep", 1), ("repeat", 0)])
def test_the_word_decides_what_becomes_of_changed_trials(
    sweep_dir: Path, capsys: pytest.CaptureFixture[str], changed: str, num_kept: int
) -> None:
    _go_on(sweep_dir, changed, imgsz=320)
    said = capsys.readouterr().out
    assert f"resume: {num_kept} trials are kept, 1 were cut off and run again" in said
    assert "  changed since: train.imgsz 160 -> 320 (1 run)" in said
    sweep = read_sweep(sweep_dir)
    whole = sweep.jobs[0].run_dir
    assert (whole / RESULT_FILE).exists() == bool(num_kept)
    assert [each["repeated_because"] for each in earlier_attempts(whole)] == (
        [] if num_kept else ["finished, but train.imgsz changed"]
    )
    assert [sweep.resumed[-1][key] for key in ("num_kept", "changed")] == [num_kept, changed]


def test_another_library_is_a_change_of_a_search_too(sweep_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {**ENVIRONMENT, "versions": {"torch": "9.9"}}
    preflight = {"environment": other, "hardware": [], "arms": [], "same_kernel": [], "warnings": []}
    monkeypatch.setattr(on_node, "ask_preflight", lambda plans, sweep_dir: preflight)
    with pytest.raises(ConfigError, match=r"library torch \S+ -> 9\.9 \(1 run\)"):
        _go_on(sweep_dir)
