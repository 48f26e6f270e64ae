"""What an attempt left is moved whole into a folder of its own, whatever interrupts the moving."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from sdpa_exp.runs.attempts import earlier_attempts, latest_attempt, set_aside, whole_checkpoint, why_unfinished
from sdpa_exp.runs.files import OWNER_LOCK_FILE, RESULT_FILE, last_checkpoint
from tests.runs.folders import T0, append_epoch, end_run, start_run, whole_run


@pytest.fixture(autouse=True)
def _booted_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "boot_time", lambda: T0 - 1000)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_each_attempt_has_a_folder_and_says_how_it_ended(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    start_run(run_dir)
    append_epoch(run_dir, 1)
    (run_dir / OWNER_LOCK_FILE).touch()
    before = names(run_dir) - {OWNER_LOCK_FILE}
    first = set_aside(run_dir)
    assert first == run_dir / "attempts" / "1"
    assert names(first) == {*before, "attempt.json"}
    assert names(run_dir) == {OWNER_LOCK_FILE, "attempts"}
    plan = start_run(run_dir)
    end_run(run_dir, plan, status="FAILED", reason="the loss is nan.")
    second = set_aside(run_dir, why="somebody asked for it")
    assert latest_attempt(run_dir) == second
    assert set_aside(run_dir) is None
    told = [(a["num"], a["status"], a["num_epochs"], a["repeated_because"]) for a in earlier_attempts(run_dir)]
    assert told == [
        (1, None, 1, "it ended without a result after epoch 1 of 3: its processes were killed"),
        (2, "FAILED", 0, "somebody asked for it"),
    ]


def test_a_result_is_moved_first_and_a_move_that_was_interrupted_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir = tmp_path / "run"
    whole_run(run_dir)
    everything = names(run_dir)
    rename = Path.rename
    moved: list[str] = []

    def breaks(path: Path, target: Path) -> Path:
        if len(moved) == 2:
            raise OSError("killed here")
        moved.append(path.name)
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", breaks)
        with pytest.raises(OSError, match="killed here"):
            set_aside(run_dir, why="other code")
    assert moved[0] == RESULT_FILE, "a folder that is half empty must not look finished"
    attempt = set_aside(run_dir)
    assert attempt is not None
    assert names(attempt) == {*everything, "attempt.json"}
    assert [(a["num"], a["status"], a["repeated_because"]) for a in earlier_attempts(run_dir)] == [
        (1, "FINISHED", "other code")
    ]


def test_a_restart_of_the_machine_is_told_from_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start_run(tmp_path / "run")
    monkeypatch.setattr(psutil, "boot_time", lambda: T0 + 1000)
    assert str(why_unfinished(tmp_path / "run")).endswith("before its first epoch: the machine was started again since")
    monkeypatch.undo()
    monkeypatch.setattr(psutil, "boot_time", lambda: T0)
    assert str(why_unfinished(tmp_path / "run")).endswith("before its first epoch: its processes were killed")


def test_a_run_that_finished_has_no_reason_and_one_without_a_word_has_one(tmp_path: Path) -> None:
    whole_run(tmp_path / "done")
    assert why_unfinished(tmp_path / "done") is None
    (tmp_path / "empty").mkdir()
    assert why_unfinished(tmp_path / "empty") == "it never came to start"


def test_a_checkpoint_that_is_cut_off_anywhere_is_no_checkpoint(tmp_path: Path) -> None:
    path = last_checkpoint(tmp_path)
    assert whole_checkpoint(tmp_path) is None
    path.parent.mkdir(parents=True)
    torch.save({"epoch": 3, "values": torch.rand(1000)}, path)
    assert whole_checkpoint(tmp_path) == path
    content = path.read_bytes()
    for share in (0.1, 0.5, 0.99):
        path.write_bytes(content[: int(len(content) * share)])
        assert whole_checkpoint(tmp_path) is None
