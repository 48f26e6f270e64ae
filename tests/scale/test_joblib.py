"""hydra/launcher=joblib_sdpa: the jobs of a sweep side by side, and what is left when they are interrupted or die."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.processes import TINY, start
from tests.scale.sweeps import (
    ARMS,
    SHARED_CPU,
    in_store,
    is_interrupted_in_order,
    learns_as_one_after_the_other,
    processes_of,
    statuses,
    when_training,
)

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="hydra-joblib-launcher is not installed")
pytestmark = pytest.mark.slow

JOBLIB = ("hydra/launcher=joblib_sdpa", SHARED_CPU)


def test_runs_side_by_side_on_a_cpu_are_refused_unless_told(tmp_path: Path) -> None:
    command = start([*TINY, "hydra/launcher=joblib_sdpa", *ARMS], tmp_path)
    assert command.wait() == 2
    assert "add allow_shared_device=true, which flags the runs." in command.output
    assert not (tmp_path / "sweep").exists()


def test_four_runs_side_by_side_learn_what_they_learn_one_after_the_other(tmp_path: Path) -> None:
    learns_as_one_after_the_other(tmp_path, JOBLIB)
    assert "runs-overlapped" in (tmp_path / "launched" / "sweep" / "comparison.txt").read_text(encoding="utf-8")


def test_ctrl_c_leaves_records_and_the_line_that_goes_on(tmp_path: Path) -> None:
    command = when_training(tmp_path, JOBLIB, 2)
    is_interrupted_in_order(command, tmp_path)


def test_a_process_that_is_killed_ends_the_sweep_in_a_sentence_with_every_run_recorded(tmp_path: Path) -> None:
    command = when_training(tmp_path, JOBLIB, 2)
    processes_of(command, "LokyProcess-1")[0].kill()
    assert command.wait() == 7
    assert "the launcher ended this sweep before all of its jobs had run: TerminatedWorkerError" in command.output
    assert "Traceback" not in command.output
    assert set(statuses(tmp_path / "sweep")) == {"KILLED", None}
    assert in_store(tmp_path) == {"KILLED", "FAILED"}  # the runs, and the sweep
