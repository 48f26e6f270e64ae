"""A queue's time limit beside what finished runs of the same settings took: known, reckoned by epochs, or unknown."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from sdpa_exp.config.launchers import Launcher
from sdpa_exp.config.plan import Plan, write_plan
from sdpa_exp.launch.time_limit import say_launcher
from sdpa_exp.runs.files import RESULT_FILE
from sdpa_exp.runs.record import read_record, write_record
from tests.runs.folders import plan_for, whole_run

if TYPE_CHECKING:
    from pathlib import Path

QUEUE = Launcher(name="slurm_sdpa", is_here=False, is_queued=True, limit_s=3600.0)


def _ran(run_dir: Path, *, wall_s: int, epochs: int = 3, imgsz: int = 160) -> None:
    """A finished run of that length, of which its epochs took 600 s."""
    whole_run(run_dir)
    write_plan(_of(plan_for(run_dir), epochs=epochs, imgsz=imgsz))
    hours, rest = divmod(wall_s, 3600)
    ended = f"2026-11-21T{10 + hours}:{rest // 60:02}:{rest % 60:02}+00:00"
    record = dataclasses.replace(
        read_record(run_dir), started_at="2026-11-21T10:00:00+00:00", ended_at=ended,
        phases_s={"setup": 60.0, "train": 500.0, "validation": 100.0},
        group_id=f"{epochs} {imgsz}", environment={"gpu": "NVIDIA A100"},
    )  # fmt: skip
    write_record(run_dir, record)


def _of(plan: Plan, *, epochs: int, imgsz: int = 160) -> Plan:
    return dataclasses.replace(plan, train=dataclasses.replace(plan.train, epochs=epochs, imgsz=imgsz))


def _said(capsys: pytest.CaptureFixture[str], series: Path, *, epochs: int, launcher: Launcher = QUEUE) -> str:
    plan = _of(plan_for(series / "new" / "0"), epochs=epochs)
    open_hardware = dataclasses.replace(plan.hardware, batch=None, device="auto")
    say_launcher([dataclasses.replace(plan, hardware=open_hardware)], launcher, "BasicLauncher", series / "new")
    return capsys.readouterr().out


def test_the_longest_finished_run_of_these_settings_stands_beside_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no finished run of these settings beside" in _said(capsys, tmp_path, epochs=3)
    _ran(tmp_path / "old" / "0", wall_s=900)
    _ran(tmp_path / "old" / "1", wall_s=1200)
    _ran(tmp_path / "other", wall_s=5000, imgsz=320)
    said = _said(capsys, tmp_path, epochs=3)
    assert "time limit of 1:00:00 for each run; a run takes 20:00 on NVIDIA A100, where " in said
    assert "old/1 ran" in said
    _ran(tmp_path / "longer", wall_s=4000)
    said = _said(capsys, tmp_path, epochs=3)
    assert said.startswith("WARNING: a time limit of 1:00:00 for each run is too short where the nodes are no faster:")
    assert "hydra.launcher.timeout_min has to be well above 67." in said
    assert _said(capsys, tmp_path, epochs=3, launcher=Launcher()) == ""


def test_a_run_of_fewer_epochs_says_what_more_of_them_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _ran(tmp_path / "trial", wall_s=720)
    epochs = [json.loads(line) for line in (tmp_path / "trial" / "events.jsonl").read_text("utf-8").splitlines()]
    assert max(event.get("epoch", 0) for event in epochs) == 3
    assert "a run takes 32:00 by its epochs on NVIDIA A100" in _said(
        capsys, tmp_path, epochs=9
    )  # 12 min, and 6 x 200 s


def test_a_run_that_did_not_finish_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _ran(tmp_path / "old", wall_s=900)
    write_record(tmp_path / "old", dataclasses.replace(read_record(tmp_path / "old"), status="KILLED"))
    assert "no finished run" in _said(capsys, tmp_path, epochs=3)
    (tmp_path / "old" / RESULT_FILE).unlink()
    assert "no finished run" in _said(capsys, tmp_path, epochs=3)
