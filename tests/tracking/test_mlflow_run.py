"""One run folder in a real sqlite store of MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from sdpa_exp.config.plan import write_plan
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.runs.attempts import set_aside
from sdpa_exp.runs.folder import hold_as_worker
from sdpa_exp.runs.record import Status, read_record
from sdpa_exp.tracking.tracker import Tracker, make_tracker
from tests.runs.folders import (
    ENVIRONMENT,
    T0,
    append_epoch,
    append_event,
    append_samples,
    end_run,
    plan_for,
    start_run,
    whole_run,
)
from tests.tracking.conftest import all_runs, only_run


def test_a_followed_run_is_shown_with_its_settings_curves_kernels_data_and_files(
    tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    plan = start_run(run_dir)
    tracker.follow(run_dir)
    for epoch in (1, 2, 3):
        append_epoch(run_dir, epoch)
        append_samples(run_dir, 5)
    end_run(run_dir, plan)
    assert tracker.finish(run_dir, 60)

    run = only_run(client)
    assert run.info.run_name == "flash seed 0"
    assert run.info.status == "FINISHED"
    assert run.info.start_time == T0 * 1000
    assert run.info.end_time == (T0 + 100) * 1000
    assert list(run.data.params)  # the first are the ones people compare by
    assert {k: run.data.params[k] for k in ("attention", "seed", "model", "dataset", "hardware")} == {
        "attention": "flash",
        "seed": "0",
        "model": "yolo12n",
        "dataset": "synthetic",
        "hardware": "cpu",
    }
    assert run.data.params["train.epochs"] == "3"
    assert "train.lr0" not in run.data.params  # null: Ultralytics' own default, not a setting of ours
    history = client.get_metric_history(run.info.run_id, "mAP50")
    assert [(m.step, m.timestamp) for m in history] == [(e, (T0 + 10 * (e + 2)) * 1000) for e in (1, 2, 3)]
    assert run.data.metrics["lr/pg0"] == 0
    assert run.data.metrics["epoch/train_s"] == 20
    assert next(iter(run.data.metrics)) == "mAP50-95"  # the compare view starts with the first
    assert run.data.metrics["phase/setup_s"] == 2.5
    assert run.data.metrics["phase/train_peak_rss_mib"] == 900.0
    assert run.data.metrics["final/train_s"] == 40
    assert "final/peak_memory_mib" not in run.data.metrics  # not measured is no value, never 0
    samples = client.get_metric_history(run.info.run_id, "system/rss_mib")
    assert [(m.step, m.timestamp, m.value) for m in samples] == [(i, (T0 + i) * 1000, 900.0 + i) for i in range(17)]
    assert "system/gpu_power_w" not in run.data.metrics
    tags = run.data.tags
    assert tags["arm"] == "flash"
    assert tags["kernels"] == "flash, flash_backward"
    assert tags["kernels.train_forward"] == "flash x8"
    assert tags["attested"] == "yes"
    assert tags["env.versions.torch"] == "2.15.0"
    assert tags["mlflow.source.git.commit"] == ENVIRONMENT["git"]["commit"]  # type: ignore[index]
    assert tags["command"] == plan.job.command
    assert "| mAP50 | 0.8 |" in tags["mlflow.note.content"]
    assert "Not measured: peak_memory_mib: made by hand" in tags["mlflow.note.content"]
    (data_set,) = run.inputs.dataset_inputs
    assert (data_set.dataset.name, data_set.dataset.digest) == ("synthetic", "d1" * 8)
    files = {a.path for folder in (None, "pictures", "weights") for a in client.list_artifacts(run.info.run_id, folder)}
    assert files == {
        *("plan.yaml", "result.json", "attestation.json", "results.csv", "worker.log", "events.jsonl"),
        *("pictures", "pictures/results.png", "weights", "weights/best.pt"),
    }
    assert Path(tmp_path / "store" / "mlartifacts" / "handmade" / run.info.run_id / "artifacts" / "plan.yaml").is_file()


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_the_status_in_the_store_is_the_status_of_the_record(
    status: Status, tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    plan = start_run(run_dir)
    end_run(run_dir, plan, status=status, reason=None if status == "FINISHED" else "the disk is full")
    tracker.follow(run_dir)
    assert tracker.finish(run_dir, 60)
    run = only_run(client)
    assert run.info.status == status
    assert run.data.tags.get("reason") == (None if status == "FINISHED" else "the disk is full")


def test_kernels_that_were_not_asked_for_stand_out(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    plan = start_run(run_dir)
    attestation = {"ok": False, "requested": "flash", "executed": {"train_forward": {"math": 8}}, "mismatches": ["x"]}
    end_run(run_dir, plan, status="FAILED", attestation=attestation)
    tracker.sync(run_dir)
    tags = only_run(client).data.tags
    assert tags["attested"] == "NO: not the kernels asked for"
    assert tags["kernels"] == "math"
    assert tags["attention_requested"] == "flash"


def test_syncing_again_sends_nothing_and_changes_nothing(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    whole_run(tmp_path / "run")
    assert tracker.sync(tmp_path / "run") > 0
    before = only_run(client)
    assert tracker.sync(tmp_path / "run") == 0
    assert only_run(client).to_dictionary() == before.to_dictionary()


def test_sending_everything_twice_doubles_nothing(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    whole_run(tmp_path / "run")
    tracker.sync(tmp_path / "run")
    before = only_run(client)
    path = tmp_path / "run" / "tracking.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "stores": {}}), encoding="utf-8")  # as if no answer had been recorded
    assert tracker.sync(tmp_path / "run") > 0
    again = only_run(client)
    assert again.to_dictionary() == before.to_dictionary()
    for name in before.data.metrics:
        steps = [m.step for m in client.get_metric_history(again.info.run_id, name)]
        assert steps == sorted(set(steps)), name


def test_a_deleted_database_is_filled_again_from_the_folders(
    tracker: Tracker, config: TrackingConfig, schema: Path, tmp_path: Path
) -> None:
    whole_run(tmp_path / "run")
    tracker.sync(tmp_path / "run")
    other = tmp_path / "other.db"
    other.write_bytes(schema.read_bytes())
    content = (tmp_path / "run" / "tracking.json").read_text(encoding="utf-8")
    moved = content.replace(str(config.uri), f"sqlite:///{other}")  # the same progress, but the store is empty
    (tmp_path / "run" / "tracking.json").write_text(moved, encoding="utf-8")
    again = make_tracker(TrackingConfig(name="local", kind="mlflow", uri=f"sqlite:///{other}"), experiment="handmade")
    assert again.sync(tmp_path / "run") > 0
    assert only_run(MlflowClient(f"sqlite:///{other}")).data.metrics["final/train_s"] == 40


def _everything(client: Any, run: Any) -> tuple[Any, ...]:
    history = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    points = {name: [(m.step, m.timestamp, m.value) for m in points] for name, points in history.items()}
    return run.to_dictionary(), points, [file.path for file in client.list_artifacts(run.info.run_id)]


def test_a_store_put_back_from_a_backup_of_half_a_run_gets_the_rest_with_resend(
    tracker: Tracker, client: Any, database: Path, tmp_path: Path
) -> None:
    plan = start_run(tmp_path / "run")
    append_epoch(tmp_path / "run", 1, epochs=2)
    with hold_as_worker(tmp_path / "run"):
        tracker.sync(tmp_path / "run")
    backup = database.read_bytes()
    append_epoch(tmp_path / "run", 2, epochs=2)
    end_run(tmp_path / "run", plan)
    tracker.sync(tmp_path / "run")
    complete = _everything(client, only_run(client))
    database.write_bytes(backup)
    assert only_run(client).info.status == "RUNNING"
    assert tracker.sync(tmp_path / "run") == 0, "the folder's own record says that all was sent"
    assert tracker.sync(tmp_path / "run", resend=True) > 0
    assert _everything(client, only_run(client)) == complete


def test_a_run_can_go_to_a_second_store_later(tracker: Tracker, client: Any, schema: Path, tmp_path: Path) -> None:
    whole_run(tmp_path / "run")
    tracker.sync(tmp_path / "run")
    other = tmp_path / "other.db"
    other.write_bytes(schema.read_bytes())
    second = make_tracker(TrackingConfig(name="l", kind="mlflow", uri=f"sqlite:///{other}"), experiment="handmade")
    assert second.sync(tmp_path / "run") > 0
    assert tracker.sync(tmp_path / "run") == 0
    theirs, ours = only_run(MlflowClient(f"sqlite:///{other}")), only_run(client)
    assert theirs.data.metrics == ours.data.metrics
    assert theirs.data.params == ours.data.params


def test_a_run_deleted_in_the_ui_stays_deleted(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    whole_run(tmp_path / "run")
    tracker.sync(tmp_path / "run")
    client.delete_run(only_run(client).info.run_id)
    assert tracker.sync(tmp_path / "run") == 0
    assert all_runs(client) == []


def test_a_killed_run_is_healed_but_one_that_lives_is_left_alone(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    start_run(tmp_path / "dead", arm="flash")
    append_epoch(tmp_path / "dead", 1)
    start_run(tmp_path / "alive", arm="sdpa")
    with hold_as_worker(tmp_path / "alive"):
        tracker.sync(
            tmp_path
        )  # the store's artifacts, with their copies of plans and event logs, lie below this folder
    dead, alive = only_run(client, arm="flash"), only_run(client, arm="sdpa")
    assert (dead.info.status, alive.info.status) == ("KILLED", "RUNNING")
    assert "without writing a result" in dead.data.tags["reason"]
    assert dead.data.metrics["mAP50"] > 0
    with hold_as_worker(tmp_path / "alive"):
        assert tracker.sync(tmp_path) == 0


def test_a_run_followed_on_another_machine_is_not_declared_dead(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    start_run(tmp_path / "run")
    state = {"schema_version": 1, "key": "k" * 32, "stores": {"http://elsewhere": {"host": "not-this-host"}}}
    (tmp_path / "run" / "tracking.json").write_text(json.dumps(state), encoding="utf-8")
    tracker.sync(tmp_path / "run")
    assert only_run(client).info.status == "RUNNING"


def test_a_resumed_run_is_running_again_and_goes_on_where_it_was(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    plan = start_run(run_dir)
    append_epoch(run_dir, 1)
    tracker.sync(run_dir)
    assert only_run(client).info.status == "KILLED"
    append_event(run_dir, "run_started", plan_group_id=plan.group_id())
    tracker.follow(run_dir)
    append_epoch(run_dir, 2)
    end_run(run_dir, plan)
    assert tracker.finish(run_dir, 60)
    run = only_run(client)
    assert run.info.status == "FINISHED"
    assert [m.step for m in client.get_metric_history(run.info.run_id, "mAP50")] == [1, 2]


def test_an_attempt_that_was_repeated_is_ended_marked_and_stands_beside_the_run_that_counts(
    tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    start_run(run_dir)
    append_epoch(run_dir, 1)
    with hold_as_worker(run_dir):
        tracker.sync(run_dir)
    first = only_run(client)
    assert first.info.status == "RUNNING"
    attempt = set_aside(run_dir)
    assert attempt is not None
    tracker.mend(run_dir)
    whole_run(run_dir)
    tracker.follow(run_dir)
    assert tracker.finish(attempt, 60)
    assert tracker.finish(run_dir, 60)
    old, new = client.get_run(first.info.run_id), next(r for r in all_runs(client) if r.info.status == "FINISHED")
    assert (old.info.status, old.info.run_name) == ("KILLED", "flash seed 0 (attempt 1)")
    assert old.data.tags["sdpa_exp.attempt"].startswith("attempt 1, run again: it ended without a result after epoch 1")
    assert new.info.run_name == "flash seed 0"
    assert "sdpa_exp.attempt" not in new.data.tags
    assert [m.step for m in client.get_metric_history(new.info.run_id, "mAP50")] == [1, 2, 3]
    assert len(all_runs(client)) == 2
    tracker.mend(run_dir)
    assert not tracker.finish(attempt, 0), "it has all of it, and follows nothing"
    assert tracker.sync(tmp_path) == 0


def test_a_run_without_result_is_ended_as_killed_by_finish(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    start_run(tmp_path / "run")
    tracker.follow(tmp_path / "run")
    assert tracker.finish(tmp_path / "run", 60)
    assert only_run(client).info.status == "KILLED"


def test_variables_in_the_users_shell_do_not_divert_us(
    config: TrackingConfig, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "MLFLOW_RUN_ID": "f" * 32,
        "MLFLOW_EXPERIMENT_ID": "0",
        "MLFLOW_EXPERIMENT_NAME": "elsewhere",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_ENABLE_ASYNC_LOGGING": "true",
    }.items():
        monkeypatch.setenv(name, value)
    tracker = make_tracker(config, experiment="handmade")
    whole_run(tmp_path / "run")
    tracker.sync(tmp_path / "run")
    assert only_run(client).data.metrics["final/train_s"] == 40


def test_odd_metric_names_and_values_are_taken(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    start_run(tmp_path / "run")
    metrics = {"metrics/mAP50(B)": 0.5, "a:b": 1.0, "loss": float("nan"), "huge": float("inf"), "text": "no"}
    append_event(tmp_path / "run", "epoch", epoch=1, epochs=1, metrics=metrics, train_s=None, val_s=None)
    tracker.sync(tmp_path / "run")
    stored = only_run(client).data.metrics
    assert stored["metrics/mAP50_B_"] == 0.5
    assert stored["a_b"] == 1.0
    assert stored["loss"] != stored["loss"]
    assert "huge" not in stored  # MLflow would keep infinity as the largest float
    assert "text" not in stored


def test_a_password_in_plan_and_log_stays_out_of_the_store(tracker: Tracker, database: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    plan = plan_for(run_dir)
    plan.tracking.uri = "http://ann:s3cr3t-planted@host:5000"
    plan.dataset.name = "http://ann:s3cr3t-planted@host/data"
    write_plan(plan)
    end_run(run_dir, plan)
    (run_dir / "worker.log").write_text("GET http://ann:s3cr3t-planted@host:5000/version\n", encoding="utf-8")
    tracker.sync(run_dir)
    assert read_record(run_dir).status == "FINISHED"
    files = [path for path in database.parent.rglob("*") if path.is_file()]
    assert any(path.name == "worker.log" for path in files)
    assert [path for path in files if b"s3cr3t-planted" in path.read_bytes()] == []
    log = next(path for path in files if path.name == "worker.log")
    assert log.read_text(encoding="utf-8") == "GET http://***@host:5000/version\n"
