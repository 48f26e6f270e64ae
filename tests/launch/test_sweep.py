"""A sweep, end to end: what it runs, what it leaves in its folders, and what the tracking store shows."""

from __future__ import annotations

import json

import pytest
import torch
from mlflow import MlflowClient

from sdpa_exp.config.plan import read_plan
from sdpa_exp.errors import BackendUnavailable
from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.record import Record, read_record
from tests.launch.conftest import Finished

FINISHED_ARMS = ("stock", "sdpa")
SEEDS = (0, 42)

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="the efficient arm runs on a GPU")


def records(sweep: Finished) -> dict[tuple[str, int], Record]:
    return {
        (arm, seed): read_record(sweep.run_dir(arm, seed)) for arm in (*FINISHED_ARMS, "efficient") for seed in SEEDS
    }


def test_seeds_are_outermost_and_the_arms_turn_round_at_every_other(sweep: Finished) -> None:
    content = json.loads((sweep.sweep_dir / "sweep.json").read_text())
    arms = (*FINISHED_ARMS, "efficient")
    jobs = [(job["seed"], job["arm"]) for job in content["jobs"]]
    assert jobs == [*((0, arm) for arm in arms), *((42, arm) for arm in arms[::-1])]
    assert content["order"] == "arms turn round at every other seed"


def test_runs_finish_and_the_arm_that_cannot_run_is_recorded_with_its_reason(sweep: Finished) -> None:
    found = records(sweep)
    assert {key: record.status for key, record in found.items() if key[0] != "efficient"} == {
        (arm, seed): "FINISHED" for arm in FINISHED_ARMS for seed in SEEDS
    }, sweep.stdout + sweep.stderr
    refused = found["efficient", 0]
    assert (refused.status, refused.error, refused.exit_code) == (
        "FAILED",
        "BackendUnavailable",
        BackendUnavailable.exit_code,
    )
    assert refused.reason is not None
    assert "it has no CPU kernel" in refused.reason
    assert "attention=flash" in refused.reason


def test_the_exit_code_tells_of_the_arm_that_did_not_run(sweep: Finished) -> None:
    assert sweep.returncode == BackendUnavailable.exit_code


def test_every_run_attests_its_kernels_in_every_stage(sweep: Finished) -> None:
    expected = {"stock": "explicit softmax (stock)", "sdpa": "flash"}
    for (arm, _), record in records(sweep).items():
        if arm in expected:
            assert record.attestation is not None
            stages = ("train_forward", "train_backward", "val_forward", "best_pt_forward")
            assert record.attestation["executed"] == {stage: {expected[arm]: 8} for stage in stages}


def test_arms_saw_the_same_data_and_seeds_saw_other_data(sweep: Finished) -> None:
    streams = {key: record.digests["data_stream"] for key, record in records(sweep).items() if record.digests}
    for seed in SEEDS:
        assert streams["stock", seed] == streams["sdpa", seed]
    assert streams["stock", 0] != streams["stock", 42]


def test_arms_start_from_the_same_weights_and_end_at_others(sweep: Finished) -> None:
    found = records(sweep)
    stock, sdpa = found["stock", 0].digests, found["sdpa", 0].digests
    assert stock["initial_weights"] == sdpa["initial_weights"]
    assert stock["final_weights"] != sdpa["final_weights"]


def test_phases_are_separate_and_add_up_to_the_whole(sweep: Finished) -> None:
    record = records(sweep)["sdpa", 0]
    wanted = {"setup", "caching", "warmup", "train", "validation", "bookkeeping", "final_eval", "attestation"}
    assert set(record.phases_s) == wanted
    total_s = record.metrics["total_s"]
    assert total_s is not None
    assert sum(record.phases_s.values()) == pytest.approx(total_s, rel=0.02)
    assert record.metrics["train_s"] == pytest.approx(record.phases_s["train"])


def test_every_run_says_how_well_best_pt_detects_or_why_that_is_not_known(sweep: Finished) -> None:
    for arm in FINISHED_ARMS:
        content = json.loads((sweep.run_dir(arm, 0) / "accuracy.json").read_text())
        record = records(sweep)[arm, 0]
        assert content["weights"] == "best.pt"
        assert content["overall"]["mAP50-95"] == pytest.approx(record.metrics["mAP50-95"], abs=1e-9)
        assert sum(row["num_boxes"] for row in content["classes"]) == content["num_boxes"] > 0
        assert content["learning"]["mAP50-95"]["num_epochs"] == 2
        assert 0 < content["analysis_s"] < record.phases_s["final_eval"]
        assert {name for name, value in record.metrics.items() if value is None} <= set(record.unmeasured)
        assert {"F1", "num_tp", "mAP50-95_small", "plateau_epoch"} <= set(record.metrics)


def test_ultralytics_changed_no_setting_by_itself(sweep: Finished) -> None:
    assert records(sweep)["sdpa", 0].settings_changed == {}


def test_hardware_was_resolved_once_and_is_the_same_in_all_plans(sweep: Finished) -> None:
    plans = [read_plan(sweep.run_dir(arm, seed)) for arm in FINISHED_ARMS for seed in SEEDS]
    assert len({plan.group_id() for plan in plans}) == 1
    assert plans[0].hardware.device == "cpu"
    assert None not in (plans[0].hardware.batch, plans[0].hardware.precision, plans[0].hardware.workers)


def test_the_event_log_tells_the_run_in_order(sweep: Finished) -> None:
    events = list(read_events(sweep.run_dir("sdpa", 0)))
    assert [event["seq"] for event in events] == list(range(len(events)))
    kinds = [event["event"] for event in events]
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_finished"
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [1, 2]
    assert {"train/box_loss", "val/box_loss", "precision", "recall", "mAP50", "mAP50-95", "lr/pg0"} <= set(
        epochs[0]["metrics"]
    )


def test_telemetry_covers_the_run(sweep: Finished) -> None:
    telemetry = records(sweep)["stock", 42].telemetry
    assert telemetry is not None
    assert telemetry["overall"]["peak_rss_mib"] > 100
    assert "train" in telemetry["phases"]
    assert telemetry["overall"]["energy_j"] is None


def test_everything_lands_below_multirun(sweep: Finished) -> None:
    assert sorted(path.name for path in sweep.cwd.iterdir()) == ["multirun"]


def test_the_screen_shows_progress_the_refusal_and_the_way_to_the_runs(sweep: Finished) -> None:
    for text in (
        "6 runs: stock, sdpa, efficient x seeds 0, 42, baseline stock",
        "attention=efficient can't run here",
        "job 2/6  sdpa seed 0: epoch 2/2",
        "ran flash",
        "mlflow ui --backend-store-uri",
    ):
        assert text in sweep.stdout


def test_the_comparison_is_written_beside_the_runs(sweep: Finished) -> None:
    comparison = json.loads((sweep.sweep_dir / "comparison.json").read_text())
    assert comparison["schema_version"] == 4


def test_mlflow_shows_one_parent_and_a_child_per_run_with_the_right_status(sweep: Finished) -> None:
    client = MlflowClient(f"sqlite:///{sweep.cwd / 'multirun' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("smoke")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    children = {(run.data.params["attention"], run.data.params["seed"]): run for run in runs if run not in parents}
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parents[0].info.run_id}
    statuses = {key: run.info.status for key, run in children.items()}
    assert statuses == {
        (arm, str(seed)): "FAILED" if arm == "efficient" else "FINISHED"
        for arm in (*FINISHED_ARMS, "efficient")
        for seed in SEEDS
    }
    child = children["sdpa", "0"]
    history = client.get_metric_history(child.info.run_id, "mAP50")
    assert [metric.step for metric in history] == [1, 2]
    names = {artifact.path for artifact in client.list_artifacts(child.info.run_id)}
    assert {"plan.yaml", "attestation.json", "result.json", "results.csv"} <= names
    assert child.inputs.dataset_inputs
