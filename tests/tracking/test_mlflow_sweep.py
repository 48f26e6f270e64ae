"""A sweep in a real sqlite store: parent, children, comparison, and what is left after a kill."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from mlflow.tracking import MlflowClient

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.runs.files import OWNER_LOCK_FILE
from sdpa_exp.runs.sweep import Sweep, SweepJob
from sdpa_exp.tracking.mlflow_store import MlflowStore
from sdpa_exp.tracking.note import sweep_title
from sdpa_exp.tracking.tracker import Tracker, make_tracker
from tests.runs.folders import end_run, start_run, whole_run, write_comparison, write_sweep
from tests.tracking.conftest import all_runs, only_run
from tests.tracking.server import free_port

if TYPE_CHECKING:
    from pathlib import Path

JOBS = [("stock", 0), ("flash", 0), ("stock", 1), ("flash", 1)]


def test_a_sweep_is_a_parent_with_its_runs_below_and_its_answer_on_top(
    tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    sweep_dir = tmp_path / "sweep"
    run_dirs = write_sweep(sweep_dir, JOBS)
    tracker.open_sweep(sweep_dir)
    for num, (run_dir, (arm, seed)) in enumerate(zip(run_dirs, JOBS, strict=True)):
        run_dir.mkdir()
        tracker.follow(run_dir)
        whole_run(run_dir, arm=arm, seed=seed, sweep_dir=str(sweep_dir), num=num, num_jobs=4)
        assert tracker.finish(run_dir, 60)
    write_comparison(sweep_dir)
    tracker.close_sweep(sweep_dir, "FINISHED")

    parent = only_run(client, arms="stock, flash")
    assert parent.info.run_name == "sweep stock, flash x 2 seeds"
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["headline"] == "made by hand: flash is not compared with anything"
    assert parent.data.tags["findings"] == "same_kernel"
    assert "sdpa and flash ran the same kernel" in parent.data.tags["mlflow.note.content"]
    files = {artifact.path for artifact in client.list_artifacts(parent.info.run_id)}
    assert files == {"sweep.json", "comparison.json", "report.html"}
    children = [run for run in all_runs(client) if run.info.run_id != parent.info.run_id]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert {run.info.run_name for run in children} == {"stock seed 0", "flash seed 0", "stock seed 1", "flash seed 1"}
    assert {run.info.status for run in children} == {"FINISHED"}
    assert tracker.sync(sweep_dir) == 0


def test_runs_of_several_processes_find_one_parent(config: TrackingConfig, client: Any, tmp_path: Path) -> None:
    sweep_dir = tmp_path / "sweep"
    run_dirs = write_sweep(sweep_dir, JOBS[:2])
    for run_dir, (arm, seed) in zip(run_dirs, JOBS, strict=False):
        whole_run(run_dir, arm=arm, seed=seed, sweep_dir=str(sweep_dir))
    command = [sys.executable, "-W", "ignore", "-c", _FOLLOW_IN_TWO_PROCESSES, str(config.uri), *map(str, run_dirs)]
    subprocess.run(command, check=True, timeout=240)
    runs = all_runs(client)
    assert len(runs) == 3
    assert len({run.data.tags["mlflow.parentRunId"] for run in runs if "arm" in run.data.tags}) == 1


# MLflow takes seconds to import, so the processes are forked after that and before any connection is opened.
_FOLLOW_IN_TWO_PROCESSES = """
import os, sys
from pathlib import Path
import mlflow.tracking
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.tracking.tracker import make_tracker
children = []
for run_dir in map(Path, sys.argv[2:]):
    pid = os.fork()
    if pid:
        children.append(pid)
        continue
    tracker = make_tracker(TrackingConfig(name="local", kind="mlflow", uri=sys.argv[1]), experiment="handmade")
    tracker.follow(run_dir)
    os._exit(0 if tracker.finish(run_dir, 110) else 1)
sys.exit(sum(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children))
"""


def test_a_sweep_that_still_runs_is_not_ended_by_sync(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    sweep_dir = tmp_path / "sweep"
    run_dirs = write_sweep(sweep_dir, JOBS[:2])
    whole_run(run_dirs[0], arm="stock", sweep_dir=str(sweep_dir))
    with FileLock(sweep_dir / OWNER_LOCK_FILE):  # as the process that runs it holds it
        tracker.sync(tmp_path)
        assert only_run(client, arms="stock, flash").info.status == "RUNNING"
    tracker.sync(tmp_path)  # it is gone, and the second job never came
    assert only_run(client, arms="stock, flash").info.status == "KILLED"
    assert only_run(client, arm="stock").info.status == "FINISHED"


def test_a_sweep_left_complete_takes_the_worst_status_of_its_runs(
    tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    run_dirs = write_sweep(tmp_path / "sweep", JOBS[:2])
    whole_run(run_dirs[0], arm="stock", sweep_dir=str(tmp_path / "sweep"))
    plan = start_run(run_dirs[1], arm="flash", sweep_dir=str(tmp_path / "sweep"))
    end_run(run_dirs[1], plan, status="FAILED", reason="no memory")
    tracker.sync(tmp_path / "sweep")
    assert only_run(client, arms="stock, flash").info.status == "FAILED"


def test_syncing_a_folder_without_runs_says_what_was_expected(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrackingError, match=r"holds nothing to send: expected a run folder \(with plan\.yaml\)"):
        tracker.sync(tmp_path / "empty")
    with pytest.raises(TrackingError, match="holds nothing to send"):
        tracker.sync(tmp_path / "missing")


def test_the_ui_command_is_one_that_this_interpreter_can_run(tracker: Tracker, database: Path) -> None:
    command = shlex.split(tracker.ui_command() or "")
    assert command == [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", f"sqlite:///{database}"]


def test_the_page_to_open_is_that_of_our_experiment_as_soon_as_it_is_known(tracker: Tracker, tmp_path: Path) -> None:
    assert tracker.ui_page() == "http://127.0.0.1:5000/#/experiments?workflowType=machine_learning"
    whole_run(tmp_path / "run")
    tracker.sync(tmp_path / "run")
    assert tracker.ui_page() == "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning"


def test_a_store_that_is_away_is_not_waited_for_twice_and_the_end_says_how_much_it_lacks(tmp_path: Path) -> None:
    config = TrackingConfig(name="server", kind="mlflow", uri=f"http://127.0.0.1:{free_port()}", timeout_s=2)
    away = make_tracker(config, experiment="handmade")
    sweep_dir = tmp_path / "sweep"
    run_dirs = write_sweep(sweep_dir, JOBS[:3])
    away.open_sweep(sweep_dir)
    for run_dir, (arm, seed), timeout_s in zip(run_dirs[:2], JOBS, (0.1, 10_000), strict=False):
        whole_run(run_dir, arm=arm, seed=seed, sweep_dir=str(sweep_dir))
        away.follow(run_dir)
        assert not away.finish(run_dir, timeout_s)  # the second one returns at once, else this test never ends
    assert away.close_sweep(sweep_dir, "FAILED") == 3  # two runs and the sweep; the third run never came
    away.close()


def test_a_run_that_another_process_left_unsent_is_sent_at_the_end_of_its_sweep(
    tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    sweep_dir = tmp_path / "sweep"
    run_dirs = write_sweep(sweep_dir, JOBS[:1])
    tracker.open_sweep(sweep_dir)
    whole_run(run_dirs[0], arm="stock", sweep_dir=str(sweep_dir))
    assert tracker.close_sweep(sweep_dir, "FINISHED") == 0
    assert only_run(client, arm="stock").info.status == "FINISHED"


def test_a_history_that_was_copied_away_fills_a_fresh_store_with_all_that_the_first_one_has(
    tracker: Tracker, client: Any, schema: Path, tmp_path: Path
) -> None:
    sweep_dir = tmp_path / "here" / "sweep"
    for run_dir, (arm, seed) in zip(write_sweep(sweep_dir, JOBS[:2]), JOBS, strict=False):
        whole_run(run_dir, arm=arm, seed=seed, sweep_dir=str(sweep_dir))
    write_comparison(sweep_dir)
    tracker.sync(sweep_dir)
    shutil.copytree(tmp_path / "here", tmp_path / "there", copy_function=shutil.copyfile)  # without its times
    shutil.rmtree(tmp_path / "here")
    fresh = tmp_path / "fresh.db"
    fresh.write_bytes(schema.read_bytes())
    uri = f"sqlite:///{fresh}"
    second = make_tracker(TrackingConfig(name="second", kind="mlflow", uri=uri), experiment="handmade")
    second.sync(tmp_path / "there")
    assert contents(MlflowClient(uri)) == contents(client)
    shown = all_runs(MlflowClient(uri))
    folders = {run.data.tags["run_dir"] for run in shown if "run_dir" in run.data.tags}
    assert folders == {str(tmp_path / "there" / "sweep" / name) for name in ("0_stock_seed0", "1_flash_seed0")}
    assert second.sync(tmp_path / "there") == 0
    assert not (tmp_path / "here").exists()


def test_one_odd_folder_keeps_no_other_from_being_sent_and_is_named(
    tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    for arm in ("stock", "flash", "sdpa"):
        whole_run(tmp_path / arm, arm=arm)
    (tmp_path / "flash" / "plan.yaml").write_text("schema_version: 0", encoding="utf-8")
    with pytest.raises(TrackingError, match=r"requests sent, but 1 of 3 folders are left out; .*flash.*schema version"):
        tracker.sync(tmp_path)
    assert {run.data.tags["arm"] for run in all_runs(client)} == {"stock", "sdpa"}


def contents(client: Any) -> dict[str, Any]:
    """All that a store has of our runs, by name, without its own ids and places."""
    names = {run.info.run_id: run.info.run_name for run in all_runs(client)}
    found = {}
    for run_id, name in names.items():
        run = client.get_run(run_id)
        places = ("mlflow.parentRunId", "mlflow.note.content", "run_dir")
        tags = {k: v for k, v in run.data.tags.items() if k not in places}
        files = [
            file.path
            for folder in (None, "pictures", "tables", "weights")
            for file in client.list_artifacts(run_id, folder)
        ]
        found[name] = {
            "parent": names.get(run.data.tags.get("mlflow.parentRunId")),
            "tags": tags,
            "note": run.data.tags["mlflow.note.content"].replace("/there/", "/here/"),
            "info": (run.info.status, run.info.start_time, run.info.end_time),
            "params": run.data.params,
            "data": [data.dataset.digest for data in run.inputs.dataset_inputs],
            "files": sorted(files),
            "curves": {
                metric: [(m.step, m.timestamp, m.value) for m in client.get_metric_history(run_id, metric)]
                for metric in run.data.metrics
            },
        }
    return found


_KILLED_WHILE_SENDING = """
import os, signal, sys
from pathlib import Path
import mlflow.tracking
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.tracking.tracking_file import ProgressFile
from sdpa_exp.tracking.tracker import make_tracker

uri, run_dir = sys.argv[1], Path(sys.argv[2])
write, num_left = ProgressFile.write, 2

def die_before_the_second(self, progress):  # the request has succeeded, and nobody will ever know
    global num_left
    num_left -= 1
    if num_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, progress)

ProgressFile.write = die_before_the_second
num_killed = 0
while num_killed < 6:  # the later requests are one file each
    pid = os.fork()
    if pid == 0:
        make_tracker(TrackingConfig(name="local", kind="mlflow", uri=uri), experiment="handmade").sync(run_dir)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != -signal.SIGKILL:
        break
    num_killed += 1
print(num_killed)
"""


def test_a_sender_killed_after_each_of_its_requests_loses_and_doubles_nothing(
    config: TrackingConfig, tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    whole_run(run_dir)
    command = [sys.executable, "-W", "ignore", "-c", _KILLED_WHILE_SENDING, str(config.uri), str(run_dir)]
    output = subprocess.run(command, check=True, timeout=240, capture_output=True, text=True).stdout
    assert int(output) == 6  # creation, params, events, telemetry, result, a file
    assert tracker.sync(run_dir) > 0
    assert tracker.sync(run_dir) == 0
    run = only_run(client)
    assert [m.step for m in client.get_metric_history(run.info.run_id, "mAP50")] == [1, 2, 3]
    assert len(client.get_metric_history(run.info.run_id, "system/rss_mib")) == 17
    assert len(client.get_metric_history(run.info.run_id, "final/mAP50")) == 1
    assert run.info.status == "FINISHED"


_QUIET = """
import socket, sys
from pathlib import Path
def refuse(*args, **kwargs):
    print("network:", args, flush=True)
    raise OSError("no network in this test")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.tracking.tracker import make_tracker
config = TrackingConfig(name="local", kind="mlflow", uri="sqlite:///new/mlflow.db")
tracker = make_tracker(config, experiment="handmade")
assert "mlflow" not in sys.modules
tracker.check()
assert "mlflow" not in sys.modules
tracker.follow(Path(sys.argv[1]))
assert tracker.finish(Path(sys.argv[1]), 200)
tracker.close()
assert "torch" not in sys.modules and "ultralytics" not in sys.modules
"""


@pytest.mark.slow  # creates MLflow's schema from nothing
def test_two_first_users_of_a_new_store_at_once_make_one_quietly_and_call_no_one(tmp_path: Path) -> None:
    hidden = ("CI", "PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")  # these switch telemetry off
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    home = tmp_path / "home"
    home.mkdir()
    processes = []
    for arm in ("stock", "flash"):
        whole_run(tmp_path / arm, arm=arm)
        processes.append(
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", _QUIET, str(tmp_path / arm)],
                cwd=tmp_path,
                env={**environment, "HOME": str(home)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs == ["", ""]
    assert [path for path in home.rglob("*") if "mlflow" in path.name.lower()] == []
    assert len(all_runs(MlflowClient(f"sqlite:///{tmp_path}/new/mlflow.db"))) == 2
    assert not (tmp_path / "mlruns").exists()


def test_a_store_that_hangs_never_holds_up_follow_and_holds_up_finish_only_as_long_as_told(
    config: TrackingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    in_request = threading.Event()

    def hang(self: MlflowStore, name: str) -> str:
        in_request.set()
        release.wait()
        raise TrackingError("released")

    monkeypatch.setattr(MlflowStore, "experiment_id", hang)
    tracker = make_tracker(config, experiment="handmade")
    whole_run(tmp_path / "run")
    tracker.follow(tmp_path / "run")
    assert in_request.wait(60)
    tracker.follow(tmp_path / "run")  # returns although the thread is stuck, else this test never ends
    before_s = time.monotonic()
    assert not tracker.finish(tmp_path / "run", 0.2)
    assert time.monotonic() - before_s >= 0.2
    release.set()
    tracker.close()


@pytest.mark.parametrize(
    ("arms", "seeds", "title"),
    [
        (["stock", "sdpa"], [0, 42], "sweep stock, sdpa x 2 seeds"),
        (["stock", "sdpa"], [0], "sweep stock, sdpa x 1 seed"),
        (["sdpa"], [0], "sweep sdpa, 2 runs"),  # something else was swept
        ([], [], "sweep 2026-11-21_05-31-45"),  # a sweeper that chooses as it goes
    ],
)
def test_a_sweep_is_named_for_what_it_compares(arms: list[str], seeds: list[int], title: str, tmp_path: Path) -> None:
    folder = tmp_path / "2026-11-21_05-31-45"
    jobs = tuple(SweepJob(num=n, run_dir=folder / str(n), arm=arms[0], seed=0, title="") for n in range(2) if arms)
    sweep = Sweep(folder=folder, name="handmade", arms=tuple(arms), seeds=tuple(seeds), jobs=jobs)
    assert sweep_title(sweep) == title


def test_a_sweep_that_goes_on_is_running_again_with_its_new_arms_and_ends_anew(
    tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    sweep_dir = tmp_path / "sweep"
    (run_dir,) = write_sweep(sweep_dir, JOBS[:1])
    whole_run(run_dir, arm="stock", seed=0, sweep_dir=str(sweep_dir))
    tracker.open_sweep(sweep_dir)
    assert tracker.close_sweep(sweep_dir, "KILLED") == 0
    (parent,) = [run for run in all_runs(client) if "mlflow.parentRunId" not in run.data.tags]
    assert (parent.info.status, parent.data.tags["arms"]) == ("KILLED", "stock")
    write_sweep(sweep_dir, JOBS)
    tracker.open_sweep(sweep_dir, again=True)
    deadline_s = time.monotonic() + 60
    while client.get_run(parent.info.run_id).info.status != "RUNNING" and time.monotonic() < deadline_s:
        time.sleep(0.1)
    again = client.get_run(parent.info.run_id)
    assert (again.info.status, again.data.tags["arms"]) == ("RUNNING", "stock, flash")
    assert again.info.run_name == "sweep stock, flash x 2 seeds"
    assert tracker.close_sweep(sweep_dir, "FINISHED") == 0
    assert client.get_run(parent.info.run_id).info.status == "FINISHED"
