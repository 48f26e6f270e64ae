"""A folder holds one run: what another run left, or writes right now, is never taken for this one's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.launch.launch import run_job
from sdpa_exp.launch.worker_setup import prepare_environment
from sdpa_exp.runs.sweep import Sweep, write_sweep
from sdpa_exp.tasks.hardware import resolve_hardware
from tests.launch.conftest import TINY, sdpa_exp
from tests.launch.test_endings import contents
from tests.runs.folders import plan_for, whole_run

HOLD = "from pathlib import Path; from sdpa_exp.runs.folder import own_folder; import sys\n"
HOLD += "with own_folder(Path(sys.argv[1])): print('mine', flush=True); sys.stdin.read()"


@contextmanager
def owned_by_another_process(folder: Path) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        yield
        process.communicate()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("hydra.run.dir=run",),
            "run already holds a run: expected a new or an empty folder. Choose another one",
        ),
        (("hydra.run.dir=run", "task=compare", "compare.runs=[run,run]"), "run already holds a run"),
        (
            ("hydra.sweep.dir=run", "attention=stock,sdpa", "-m"),
            "Choose another one with hydra.sweep.dir=..., or ",
        ),
        (("hydra.sweep.dir=.", "hydra.sweep.subdir=run", "-m"), "the old run aside with run.overwrite=true."),
    ],
)
def test_a_used_folder_is_refused_by_name_and_left_as_it_is(
    options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    whole_run(tmp_path / "run", arm="stock")
    before = contents(tmp_path)
    done = sdpa_exp(*TINY, "tracking=none", *options, cwd=tmp_path)
    assert done.returncode == 7
    assert words in done.stderr
    assert contents(tmp_path / "run") == {k.removeprefix("run/"): v for k, v in before.items()}


def test_a_folder_with_other_files_takes_no_run(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("mine")
    done = sdpa_exp(*TINY, "tracking=none", "hydra.run.dir=docs", cwd=tmp_path)
    assert done.returncode == 7
    assert "docs holds other files (index.md): expected a new or an empty folder." in done.stderr
    assert contents(tmp_path / "docs") == {"index.md": b"mine"}


def test_a_job_whose_folder_another_process_took_writes_nothing_into_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = quiet_plan(tmp_path / "0_stock_seed0", sweep_dir=str(tmp_path))
    write_sweep(Sweep(folder=tmp_path, name="handmade"))
    with owned_by_another_process(plan.run_dir):
        whole_run(plan.run_dir, arm="flash")
        before = contents(plan.run_dir)
        run_job(plan)
        assert contents(plan.run_dir) == before
    assert "not started" in capsys.readouterr().out
    run_job(plan)  # the other has ended, and its run is still no place for this one
    assert contents(plan.run_dir) == before
    assert "already holds a run" in " ".join(capsys.readouterr().out.split())


def test_a_single_run_and_a_sweep_give_their_workers_the_same_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = quiet_plan(tmp_path / "run")
    resolved = replace(asked, hardware=resolve_hardware(asked.hardware))  # as a sweep does before its jobs
    found = []
    for plan in (asked, resolved):
        monkeypatch.setenv("OMP_NUM_THREADS", "77")
        for name in ("YOLO_CONFIG_DIR", "YOLO_AUTOINSTALL", "YOLO_OFFLINE"):
            monkeypatch.setenv(name, "")
        prepare_environment(plan)
        found.append({name: os.environ[name] for name in ("OMP_NUM_THREADS", "YOLO_OFFLINE", "YOLO_CONFIG_DIR")})
    assert asked.hardware.num_threads is None
    assert found[0] == found[1]
    assert found[0]["OMP_NUM_THREADS"] == str(resolved.hardware.num_threads)


def quiet_plan(run_dir: Path, **job: Any) -> Plan:
    return replace(plan_for(run_dir, arm="stock", **job), tracking=TrackingConfig(name="none", kind="none"))
