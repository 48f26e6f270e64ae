"""A sweep whose launcher gives up: what began gets a record, and what a launcher needs can be handed to processes."""

from __future__ import annotations

import pickle
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from rich.console import Console

from sdpa_exp.entry import SweepCallback
from sdpa_exp.interruption import Interrupted
from sdpa_exp.launch.broken_sweep import as_sentence, is_of_launcher, record_the_dead
from sdpa_exp.runs.folder import hold_as_worker, own_folder
from sdpa_exp.runs.record import read_record, read_record_if_any
from tests.runs.folders import start_run, whole_run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_callback_that_owns_a_folder_can_be_handed_to_another_process(tmp_path: Path) -> None:
    callback = SweepCallback(num_jobs=4, command="python%20-m%20sdpa_exp", swept=["imgsz"])
    callback._owned = own_folder(tmp_path / "sweep")
    copy = pickle.loads(pickle.dumps(callback))
    assert copy.told == callback.told
    with callback._owned:
        pass


def test_runs_that_began_get_a_record_that_says_what_ended_them_and_others_are_left_alone(tmp_path: Path) -> None:
    begun, finished, absent = (tmp_path / name for name in ("begun", "finished", "absent"))
    start_run(begun)
    whole_run(finished)
    before = read_record(finished)
    record_the_dead([begun, finished, absent], Interrupted(), Console())
    record = read_record(begun)
    assert (record.status, record.exit_code) == ("KILLED", 7)
    assert str(record.reason).startswith("the run was ended by Ctrl-C (SIGINT), with the process that watched it.")
    assert record.telemetry is not None
    assert read_record(finished) == before
    assert not absent.exists()


def test_a_run_that_goes_on_without_its_launcher_is_named_and_writes_its_own_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sdpa_exp.launch.broken_sweep._PATIENCE_S", 0.3)
    start_run(tmp_path / "going")
    with hold_as_worker(tmp_path / "going"):
        record_the_dead([tmp_path / "going"], Interrupted(), Console(width=200))
    assert read_record_if_any(tmp_path / "going") is None
    assert "going goes on by itself: wait for its end before you resume or compare." in capsys.readouterr().out


def test_an_exception_of_a_launcher_becomes_a_sentence_and_one_of_ours_stays_a_bug() -> None:
    error = BrokenProcessPool("A process in the process pool was terminated abruptly.\nMore.")
    assert is_of_launcher(error)
    assert not is_of_launcher(KeyError("arm"))
    assert str(as_sentence(error)) == (
        "the launcher ended this sweep before all of its jobs had run: BrokenProcessPool: A process in the process "
        "pool was terminated abruptly. What had finished is kept, and processes that died are recorded."
    )
