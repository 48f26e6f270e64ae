"""What the terminal shows while runs go on, and the line at the end of each."""

from __future__ import annotations

import io
import json
import os
import pty
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.launch.launch import run_single
from sdpa_exp.launch.progress import RunProgress, closing_line, said_in
from sdpa_exp.launch.sweep_table import Pace, SweepTable
from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import PROGRESS_FILE, SWEEP_FILE, write_json_atomic
from sdpa_exp.runs.record import Record
from sdpa_exp.runs.state import RunState
from tests.runs.folders import append_epoch, end_run, record_for, start_run, whole_run, write_sweep

STEP = {"epoch": 2, "epochs": 3, "step": 3, "steps": 8, "loss": 1.25}


@pytest.fixture
def sweep(tmp_path: Path) -> tuple[Path, Path]:
    """The folder of four runs of which one has finished and one failed, and the folder of the third, which goes on."""
    first, second, third, _ = write_sweep(tmp_path, [("stock", 0), ("flash", 0), ("flash", 1), ("stock", 1)])
    whole_run(first, arm="stock")
    end_run(second, start_run(second), status="FAILED", reason="made by hand")
    start_run(third, seed=1)
    append_epoch(third, 1)
    return tmp_path, third


def shown(console: Console, sweep: tuple[Path, Path]) -> Record:
    """The run goes on and ends, on this console."""
    folder, run_dir = sweep
    progress = RunProgress(console, "job 3/4  flash seed 1", SweepTable(folder, run_dir))
    for event in read_events(run_dir):
        progress.event(event)
    for step in (3, 5):
        write_json_atomic(run_dir / PROGRESS_FILE, {**STEP, "step": step})
        progress.refresh(run_dir)
    record = end_run(run_dir, start_run(run_dir, seed=1))
    progress.finish(record)
    return record


def test_what_is_about_a_whole_sweep_is_said_once_and_what_is_about_a_run_each_time(sweep: tuple[Path, Path]) -> None:
    folder, _ = sweep
    write_json_atomic(
        folder / SWEEP_FILE,
        {
            **json.loads((folder / SWEEP_FILE).read_text()),
            "preflight": {"warnings": ["data set: 2 boxes occur twice."]},
        },
    )
    screen = io.StringIO()
    for job in ("job 1/2", "job 2/2"):
        progress = RunProgress(Console(file=screen, width=200), job, None, said_in(folder))
        for event in (
            {"event": "announcement", "text": "yolo12n at 160 px"},
            {"event": "warning", "code": "data_set", "message": "2 boxes occur twice."},
            {"event": "warning", "code": "demo_recipe", "message": "photographs learn little from it"},
            {"event": "warning", "code": "other_runs_on_cpu", "message": "another run"},
        ):
            progress.event(event)
    assert screen.getvalue().splitlines() == [
        "job 1/2: starting",
        "job 1/2: yolo12n at 160 px",
        "job 1/2: warning: photographs learn little from it",
        "job 1/2: warning: another run",
        "job 2/2: starting",
        "job 2/2: warning: another run",
    ]


def read_all(master: int) -> str:
    """What was written to a terminal until it was closed, which Linux tells as an error."""
    found = b""
    with os.fdopen(master, "rb", buffering=0) as end:
        while True:
            try:
                part = end.read(65536)
            except OSError:
                part = b""
            if not part:
                return found.decode()
            found += part


def test_a_terminal_shows_the_run_among_the_others_of_its_sweep(
    sweep: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    with ThreadPoolExecutor() as pool:
        seen = pool.submit(read_all, master)  # meanwhile: a terminal holds a page at most
        with os.fdopen(slave, "w", encoding="utf-8") as screen:
            record = shown(Console(file=screen, width=100, height=30), sweep)
        text = re.sub(r"\x1b\[[\d;?]*\w", "", seen.result())
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "run epoch loss mAP50 mAP50-95 time" in rows
    assert any(re.fullmatch(r"stock seed 0 3/3 \d\.\d{3} 0\.800 0\.500 1:40", row) for row in rows)
    assert "flash seed 0 failed" in rows
    assert any(
        re.match(r"flash seed 1 2/3 step 5/8 1\.250 0\.\d{3} 0\.\d{3} about \d+:\d\d left$", row) for row in rows
    )
    assert "stock seed 1 waiting" in rows
    assert any(re.match(r"2 of 4 runs ended, about \d+:\d\d left for all runs$", row) for row in rows)
    assert rows[-1] == " ".join(f"job 3/4 flash seed 1: {closing_line(record)}".split())


def test_a_pipe_gets_plain_lines(sweep: tuple[Path, Path]) -> None:
    pipe = io.StringIO()
    shown(Console(file=pipe, width=100), sweep)
    assert "\x1b" not in pipe.getvalue()
    first, second, last = pipe.getvalue().splitlines()
    assert first == "job 3/4  flash seed 1: starting"
    assert second.startswith("job 3/4  flash seed 1: epoch 1/3  loss ")
    assert last.startswith("job 3/4  flash seed 1: finished: mAP50 0.800")


def test_the_time_left_counts_from_the_first_step_and_down_between_steps() -> None:
    pace = Pace()
    of_step = [pace.left_s({**STEP, "step": step}, elapsed_s) for step, elapsed_s in ((2, 60.0), (2, 61.0), (4, 64.0))]
    assert of_step == [None, None, 24.0]  # 2 s a step, 12 of 24 steps done; the minute before the first is no step
    assert pace.left_s({**STEP, "step": 4}, 69.0) == 19.0


def test_after_its_last_epoch_a_run_is_at_its_last_checks(sweep: tuple[Path, Path]) -> None:
    folder, run_dir = sweep
    for epoch in (2, 3):
        append_epoch(run_dir, epoch)
    last = read_events(run_dir)[-1]
    table = SweepTable(folder, run_dir).render(
        RunState(status="running", epoch=last, progress=STEP, left_s=9.0, elapsed_s=50.0), 30
    )
    assert [list(column.cells)[2] for column in table.columns][-1] == "last checks"


def test_a_low_screen_shows_the_runs_around_the_one_that_goes_on(tmp_path: Path) -> None:
    folders = write_sweep(tmp_path, [("stock", seed) for seed in range(50)])
    state = RunState(status="running", epoch=None, progress=None, left_s=None, elapsed_s=0.0)
    table = SweepTable(tmp_path, folders[20]).render(state, height=13)
    assert list(table.columns[0].cells) == [f"stock seed {seed}" for seed in range(18, 23)]
    assert list(table.columns[-1].cells) == ["waiting", "waiting", "starting", "waiting", "waiting"]


def test_the_last_line_of_a_training_says_why_a_metric_is_missing(tmp_path: Path) -> None:
    record = end_run(
        tmp_path,
        start_run(tmp_path),
        metrics={"mAP50": 0.5, "mAP50-95": 0.25, "train_s": None, "images_per_s": None, "peak_memory_mib": 900.0},
        unmeasured=dict.fromkeys(("train_s", "images_per_s"), "one epoch, which is the warm-up"),
    )
    assert closing_line(record) == (
        "finished: mAP50 0.500  mAP50-95 0.250  peak 900 MiB  ran flash, flash_backward  "
        "(no train_s, images_per_s: one epoch, which is the warm-up)"
    )


@pytest.mark.parametrize(("code", "is_told"), [(4, False), (2, False), (7, True)])
def test_what_would_end_the_same_way_is_not_told_to_be_repeated(
    code: int, is_told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = replace(start_run(tmp_path / "run", arm="stock"), tracking=TrackingConfig(name="none", kind="none"))
    record = record_for(plan, status="FAILED", reason="made", exit_code=code, started_at="", ended_at="")
    monkeypatch.setattr("sdpa_exp.launch.launch.supervise", lambda *_: record)
    assert run_single(plan) == code
    assert ("To repeat it:" in capsys.readouterr().out) == is_told
