"""A setup trial really installs, is bounded, names the class of what fails, and leaves nothing but its log."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from sdpa_exp.config.plan import Plan
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.setup_trial import work as setup_trial
from sdpa_exp.tasks.setup_trial.work import Implementation, Trial, attempt
from tests.tasks.planning import plan_of


def plan_for(folder: Path, *, time_limit_s: float = 120) -> Plan:
    line = ("task=setup_trial", "hardware=cpu", "train.imgsz=64", f"setup_trial.time_limit_s={time_limit_s}")
    (folder / "setup_trial").mkdir()
    return plan_of(*line, run_dir=folder)


def package(folder: Path, setup: str) -> Implementation:
    """A source package whose build does what `setup` says; nothing is fetched."""
    source = folder / "source"
    source.mkdir()
    (source / "setup.py").write_text(setup, encoding="utf-8")
    options = ("--no-build-isolation", "--no-index")
    return Implementation(name="planted", backend="sdpa", packages=(str(source),), pip_options=options)


def wheel(folder: Path, *, backend: str) -> Implementation:
    """A package that is there to be unpacked."""
    path = folder / "planted-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("planted.py", "")
        archive.writestr("planted-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: planted\nVersion: 1\n")
        archive.writestr("planted-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("planted-1.dist-info/RECORD", "")
    return Implementation(name="planted", backend=backend, packages=(str(path),), pip_options=("--no-index",))


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests on this machine leave theirs to themselves."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def trial_folders() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("sdpa_exp_trial_*")}


def test_what_needs_no_installation_only_makes_its_first_attested_call(tmp_path: Path) -> None:
    trial = attempt(setup_trial.IMPLEMENTATIONS["pytorch"], plan_for(tmp_path))
    assert (trial.outcome, trial.kernels, trial.install_s, trial.error_class) == ("works", ("flash",), None, None)
    assert trial.first_call_s is not None
    assert trial.setup_s == pytest.approx(trial.first_call_s)


def test_a_failed_build_is_a_result_with_its_class_its_line_and_its_log(tmp_path: Path) -> None:
    before = trial_folders()
    setup = "raise OSError('CUDA_HOME environment variable is not set. Please set it to your CUDA install root.')"
    trial = attempt(package(tmp_path, setup), plan_for(tmp_path))
    assert (trial.outcome, trial.error_class, trial.first_call_s) == ("not installed", "cuda_home", None)
    assert trial.error == "OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root."
    assert trial.install_s is not None
    log = (tmp_path / trial.log).read_text()
    assert "-m pip install" in log
    assert trial.error in log
    assert trial_folders() == before


def test_a_build_without_end_is_killed_with_its_children_and_its_folder(tmp_path: Path) -> None:
    before = trial_folders()
    setup = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(987)'])"
    trial = attempt(package(tmp_path, setup), plan_for(tmp_path, time_limit_s=10))
    assert trial.outcome == "out of time"
    time.sleep(0.5)
    sleepers = [p for p in psutil.process_iter(["cmdline"]) if "time.sleep(987)" in " ".join(p.info["cmdline"] or [])]
    assert sleepers == []
    assert trial_folders() == before


def test_what_installs_and_does_not_run_says_why(tmp_path: Path) -> None:
    trial = attempt(wheel(tmp_path, backend="efficient"), plan_for(tmp_path))
    assert trial.outcome == "does not run"
    assert trial.error == (
        "attention=efficient can't run here: it has no CPU kernel (it runs on CUDA). task=doctor says what can."
    )


def test_the_task_writes_results_and_counts_a_failure_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the attempts are given, as a machine without a compiler gave them; the others above are real."""
    works = Trial(
        implementation="pytorch",
        outcome="works",
        environment_s=None,
        build_tools_s=None,
        install_s=None,
        first_call_s=3.0,
        setup_s=3.0,
        error_class=None,
        error=None,
        next_step=None,
        kernels=("flash",),
        log="setup_trial/pytorch.log",
    )
    failed = dataclasses.replace(
        works, implementation="flash_attn", outcome="not installed", error_class="nvcc", error="nvcc was not found"
    )
    monkeypatch.setattr(setup_trial, "attempt", lambda wanted, plan: {"pytorch": works}.get(wanted.name, failed))
    outcome = Outcome()
    (tmp_path / "run").mkdir()
    plan = plan_for(tmp_path / "run")
    event_log = EventLog(plan.run_dir)
    (plan.run_dir / "setup_trial").rmdir()
    setup_trial.setup_trial(plan, event_log, outcome, started_perf_s=time.perf_counter())
    event_log.close()
    assert outcome.metrics == {"pytorch/setup_s": 3.0, "flash_attn/setup_s": None, "num_working": 1.0}
    assert outcome.unmeasured == {"flash_attn/setup_s": "not installed after 3 s (nvcc)"}
    assert [trial["outcome"] for trial in json.loads((plan.run_dir / "setup_trial.json").read_text())["trials"]] == [
        "works",
        "not installed",
    ]
    report = (plan.run_dir / "report.txt").read_text()
    assert "flash_attn (nvcc): nvcc was not found" in report
    assert "pytorch ran flash" in report
