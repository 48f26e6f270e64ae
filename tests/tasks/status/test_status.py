"""task=status: how far a sweep is, from its folders alone."""

from __future__ import annotations

import dataclasses
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.config.plan import write_plan
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import RunError
from sdpa_exp.launch.announce import say_silent
from sdpa_exp.launch.launch import run_single
from sdpa_exp.runs import state
from sdpa_exp.runs.attempts import set_aside
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import PROGRESS_FILE, write_json_atomic
from sdpa_exp.runs.folder import own_folder
from sdpa_exp.runs.state import read_state
from sdpa_exp.tasks.status import work
from tests.config.composing import compose_plan
from tests.runs.folders import append_epoch, append_event, end_run, plan_for, start_run, whole_run, write_sweep

if TYPE_CHECKING:
    from pathlib import Path

JOBS = [("stock", 0), ("flash", 0), ("flash", 1), ("stock", 1)]


def status(tmp_path: Path, *overrides: str) -> int:
    plan = compose_plan("task=status", f"status.folder={tmp_path}", *overrides)
    return run_single(dataclasses.replace(plan, job=dataclasses.replace(plan.job, run_dir=str(tmp_path / "out"))))


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Of four runs the first has finished, the second failed, and the third was begun."""
    made = write_sweep(tmp_path, JOBS)
    whole_run(made[0], arm="stock")
    end_run(made[1], start_run(made[1]), status="FAILED", reason="made by hand")
    start_run(made[2], seed=1)
    append_event(made[2], "first_batch")
    append_epoch(made[2], 1)
    return made


def rows(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_what_is_missing_is_said_with_its_reason_and_the_line_that_goes_on(
    tmp_path: Path, folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(tmp_path) == RunError.exit_code
    shown = rows(capsys.readouterr().out)
    assert shown[0] == "run epoch loss mAP50 mAP50-95 time last sign", "attempts are shown where there was a second"
    assert shown[1] == "stock seed 0 3/3 4.500 0.800 0.500 1:40"
    assert shown[2:5:2] == ["flash seed 0 failed", "stock seed 1 waiting"]
    assert re.fullmatch(r"flash seed 1 no result .* ago", shown[3])
    assert "1 finished, 1 failed, 1 without a result, 1 not started; nothing is at work there" in " ".join(shown)
    assert "flash seed 0: made by hand" in shown
    assert any("flash seed 1: it ended without a result after epoch 1 of 3" in row for row in shown)
    assert shown[-1].startswith("To go on: python -m sdpa_exp resume=")


def test_the_document_of_a_sweep_has_what_its_table_shows(tmp_path: Path, folders: list[Path]) -> None:
    write_json_atomic(folders[2] / PROGRESS_FILE, {"epoch": 2, "epochs": 3, "step": 3, "steps": 8, "loss": 1.25})
    plan = compose_plan("task=status", f"status.folder={tmp_path}")
    with own_folder(tmp_path, resumes=True), own_folder(folders[2], resumes=True):
        document = load_task(plan).document(plan)
    assert document is not None
    assert (document["exit_code"], document["is_at_work"], document["resume"]) == (RunError.exit_code, True, None)
    assert document["counts"] == {"finished": 1, "failed": 1, "running": 1, "waiting": 1}
    done, failed, running, waiting = document["runs"]
    assert (done["title"], done["folder"], done["epoch"]) == ("stock seed 0", str(folders[0]), 3)
    assert (done["elapsed_s"], done["metrics"]["mAP50"]) == (100.0, 0.8)
    assert (failed["status"], failed["why"]) == ("failed", "made by hand")
    assert [running[key] for key in ("epoch", "epochs", "step", "steps", "loss")] == [2, 3, 3, 8, 1.25]
    assert running["left_s"] > 0
    assert document["left_s"] >= running["left_s"]
    assert [waiting[key] for key in ("status", "attempt", "epoch", "elapsed_s")] == ["waiting", 0, None, None]
    after = load_task(plan).document(plan)
    assert after is not None
    assert after["resume"].startswith("python -m sdpa_exp resume=")


def test_attempts_are_shown_where_a_run_had_a_second(
    tmp_path: Path, folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    set_aside(folders[1], why="it failed")
    whole_run(folders[1])
    status(tmp_path)
    shown = rows(capsys.readouterr().out)
    assert shown[0].endswith("time attempt last sign")
    assert shown[2].endswith("1:40 2")


def test_a_run_that_goes_on_shows_its_step_and_the_time_left(
    tmp_path: Path, folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write_json_atomic(folders[2] / PROGRESS_FILE, {"epoch": 2, "epochs": 3, "step": 3, "steps": 8, "loss": 1.25})
    with own_folder(tmp_path, resumes=True), own_folder(folders[2], resumes=True):
        assert status(tmp_path) == RunError.exit_code
    text = " ".join(capsys.readouterr().out.split())
    assert re.search(r"flash seed 1 2/3 step 3/8 1\.250 0\.\d+ 0\.\d+ about [\d:]+ left .* ago", text)
    assert "2 of 4 runs ended, about" in text
    assert "1 running, 1 waiting" in text
    assert "To go on" not in text


def test_a_search_has_finished_with_failed_trials_but_not_with_trials_to_come(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = write_sweep(tmp_path, JOBS[:2], search={"num_trials": 3})
    whole_run(first, arm="stock")
    end_run(second, start_run(second), status="FAILED", reason="made by hand", exit_code=7)
    assert status(tmp_path) == 7
    assert "1 finished, 1 failed, 1 trials to come; nothing is at work there" in capsys.readouterr().out
    write_sweep(tmp_path, JOBS[:2], search={"num_trials": 2})
    assert status(tmp_path) == 0


def test_a_run_of_another_machine_goes_on_while_it_gives_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plan(plan_for(tmp_path))
    with closing(EventLog(tmp_path)) as log:
        log.write("environment", environment={"host": "another"})
    assert read_state(tmp_path).status == "running"
    monkeypatch.setattr(state, "SILENT_S", 0.0)
    assert read_state(tmp_path).status == "lost"


def test_watching_ends_with_the_sweep_and_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(work, "_PERIOD_S", 0.02)
    (only,) = write_sweep(tmp_path, JOBS[:1])
    with ThreadPoolExecutor() as pool:
        with own_folder(tmp_path, resumes=True):
            watched = pool.submit(status, tmp_path, "status.watch=true")
            whole_run(only, arm="stock")
            time.sleep(0.1)
        assert watched.result(timeout=30) == 0
    assert "1 of 1 runs ended: 1 finished" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("launcher", ["submitit_launcher.SlurmLauncher", "ray_launcher.RayLauncher"])
def test_a_launcher_that_keeps_the_screen_silent_names_this_task(
    launcher: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    say_silent(f"hydra_plugins.{launcher}", tmp_path)
    assert f"task=status status.folder={tmp_path} status.watch=true" in capsys.readouterr().out
    say_silent("hydra._internal.core_plugins.basic_launcher.BasicLauncher", tmp_path)
    assert capsys.readouterr().out == ""
