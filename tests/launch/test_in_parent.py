"""task=compare and task=sync: no worker, no torch, an answer or one sentence."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdpa_exp.config.plan import Plan, write_plan
from sdpa_exp.config.validate import check_sweep
from sdpa_exp.errors import ComparisonError, ConfigError, SdpaExpError, TrackingError
from sdpa_exp.launch.launch import run_single
from sdpa_exp.runs.files import RESULT_FILE
from tests.compare.folders import crossed, write_plain, write_sweep
from tests.config.composing import compose_plan

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from sdpa_exp.entry import start
sys.argv = ["sdpa-exp", *sys.argv[1:]]
try:
    code = start()
except SystemExit as end:
    code = end.code
print(code, sorted({"torch", "ultralytics", "mlflow"} & set(sys.modules)))
"""


def test_comparing_two_plain_folders_needs_one_line_and_no_torch(tmp_path: Path) -> None:
    write_plain(tmp_path / "mine", curve=[0.1, 0.3])
    write_plain(tmp_path / "theirs", curve=[0.1, 0.4])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "task=compare", "compare.runs=[mine,theirs]", "hydra.run.dir=out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "one seed, so no test of theirs against mine" in " ".join(done.stdout.split()), done.stderr
    assert done.stdout.splitlines()[-1] == "0 []"
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.html", "report.md", "comparison.json", "comparison.txt", "tables"} <= written
    assert not {"plan.yaml", "result.json", "events.jsonl"} & written  # nothing ran, so nothing is a run


def test_status_needs_no_torch_and_leaves_nothing(tmp_path: Path) -> None:
    write_sweep(tmp_path / "multirun" / "comparison" / "mine", crossed(["stock", "sdpa"], [0]))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "task=status"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 of 2 runs ended: 2 finished" in " ".join(done.stdout.split()), done.stderr
    assert done.stdout.splitlines()[-1] == "0 []"
    assert [path.name for path in (tmp_path / "multirun").iterdir()] == ["comparison"]


def test_sweeps_can_be_compared_again_with_another_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sweep(tmp_path / "sweep", crossed(["stock", "sdpa"], [0, 1]))
    plan = compose_plan("task=compare", "compare.runs=[sweep]", "baseline=sdpa")
    assert plan.compare.runs == [str(tmp_path / "sweep")]
    assert run_single(_in(plan, tmp_path / "out")) == 0
    assert "arm minus sdpa" in capsys.readouterr().out


@pytest.mark.parametrize("second", [None, [0.1, float("nan")]])
def test_where_nothing_could_be_compared_the_exit_code_is_9(
    second: list[float] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, curve in (("mine", [0.1, 0.3]), ("theirs", second)):
        if curve is not None:
            write_plain(tmp_path / name, curve=curve)
    runs = "mine" if second is None else "mine,theirs"
    plan = compose_plan("task=compare", f"compare.runs=[{runs}]")
    assert run_single(_in(plan, tmp_path / "out")) == ComparisonError.exit_code == 9
    assert "Comparison of mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "error", "words"),
    [
        (("task=compare",), ComparisonError, r"there is nothing to compare: name two folders .* compare\.runs=\[a,b\]"),
        (("task=compare", "compare.runs=[nowhere]"), ComparisonError, "nowhere does not exist: expected a run folder"),
        (("task=sync",), TrackingError, r"multirun is not there: expected a run folder.*Give its path with sync\.fold"),
        (("task=sync", "sync.folder=."), TrackingError, "holds nothing to send: expected a run folder"),
        (("task=sync", "tracking=none"), TrackingError, "no store to send to with tracking=none. Use tracking=local"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: tuple[str, ...],
    error: type[SdpaExpError],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        run_single(_in(compose_plan(*overrides), tmp_path / "out"))


def test_a_comparison_that_is_refused_leaves_no_folder_and_one_of_a_doctor_says_so(tmp_path: Path) -> None:
    out, doctor = tmp_path / "out", tmp_path / "doctor"
    (out / ".hydra").mkdir(parents=True)
    plan = compose_plan("task=doctor")
    plan = _in(plan, doctor)
    write_plan(plan)
    (doctor / RESULT_FILE).write_text("{}")
    with pytest.raises(ComparisonError, match="doctor is a run of task=doctor, in which no attention ran: expec"):
        run_single(_in(compose_plan("task=compare", f"compare.runs=[{doctor}]"), out))
    assert not out.exists()


def test_a_task_that_reads_folders_cannot_be_a_sweep() -> None:
    with pytest.raises(ConfigError, match=r"task=compare can't be a sweep: .* Leave out -m"):
        check_sweep([compose_plan("task=compare")])


def _in(plan: Plan, folder: Path) -> Plan:
    return dataclasses.replace(plan, job=dataclasses.replace(plan.job, run_dir=str(folder)))
