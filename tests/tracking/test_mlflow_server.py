"""A real MLflow server, killed and restarted in the middle of a run."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from mlflow.tracking import MlflowClient

from sdpa_exp.compare.run_compare import compare_sweep
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.tracking.logged_model import Checkpoints
from sdpa_exp.tracking.run_sender import is_all_sent
from sdpa_exp.tracking.tracker import make_tracker
from tests.runs.folders import append_epoch, append_samples, end_run, start_run, whole_run, write_sweep
from tests.tracking.conftest import only_run
from tests.tracking.server import free_port, mlflow_server
from tests.tracking.test_mlflow_sweep import contents

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow  # starts two servers
def test_a_server_killed_and_restarted_in_mid_run_has_everything_once_and_in_order(
    database: Path, client: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_dir, port = tmp_path / "run", free_port()
    config = TrackingConfig(name="server", kind="mlflow", uri=f"http://127.0.0.1:{port}", timeout_s=20)
    tracker = make_tracker(config, experiment="handmade")
    caplog.set_level(logging.WARNING, logger="sdpa_exp")
    with mlflow_server(tmp_path, database, port):
        tracker.check()
        plan = start_run(run_dir)
        append_epoch(run_dir, 1)
        tracker.follow(run_dir)
        while not (run_dir / "tracking.json").exists() or '"events_offset": 0' in _state(run_dir):
            pass
    append_epoch(run_dir, 2)
    append_samples(run_dir, 5)
    whole_run(tmp_path / "other", arm="sdpa")
    tracker.follow(tmp_path / "other")
    assert not tracker.finish(tmp_path / "other", 1.0)  # the server is gone: told at once, and not lost
    append_epoch(run_dir, 3)
    end_run(run_dir, plan)
    assert caplog.text.count("what can't be sent waits in its folder") == 1
    with pytest.raises(TrackingError, match="can't be reached"):
        tracker.check()
    with mlflow_server(tmp_path, database, port):
        tracker.finish(run_dir, 60)
        for _ in range(600):  # the thread tries again by itself
            if all(
                is_all_sent(d, store_uri=str(config.uri), checkpoints=Checkpoints())
                for d in (run_dir, tmp_path / "other")
            ):
                break
            time.sleep(0.2)
        else:
            raise AssertionError("the thread sent nothing to the server that is back")
        tracker.close()
        again = make_tracker(config, experiment="handmade")
        assert again.sync(tmp_path) == 0
    run, other = only_run(client, arm="flash"), only_run(client, arm="sdpa")
    history = client.get_metric_history(run.info.run_id, "mAP50")
    assert [m.step for m in history] == [1, 2, 3]
    assert [m.timestamp for m in history] == sorted(m.timestamp for m in history)
    assert len(client.get_metric_history(run.info.run_id, "system/rss_mib")) == 7
    assert (run.info.status, other.info.status) == ("FINISHED", "FINISHED")
    served = {path.name for path in (tmp_path / "served").rglob("*") if path.is_file()}
    assert {"plan.yaml", "result.json", "best.pt", "results.png"} <= served


def _state(run_dir: Path) -> str:
    return (run_dir / "tracking.json").read_text(encoding="utf-8")


@pytest.mark.slow  # starts a server
def test_a_local_history_is_moved_to_a_fresh_server_by_one_sync(database: Path, schema: Path, tmp_path: Path) -> None:
    local = tmp_path / "local.db"
    local.write_bytes(schema.read_bytes())
    first = make_tracker(TrackingConfig(name="local", kind="mlflow", uri=f"sqlite:///{local}"), experiment="handmade")
    jobs = [("stock", 0), ("flash", 0), ("stock", 1), ("flash", 1)]
    sweep_dir = tmp_path / "multirun" / "handmade" / "sweep"
    for num, (run_dir, (arm, seed)) in enumerate(zip(write_sweep(sweep_dir, jobs), jobs, strict=True)):
        whole_run(run_dir, arm=arm, seed=seed, sweep_dir=str(sweep_dir), offset=num / 10)
    first.sync(sweep_dir)
    compare_sweep(sweep_dir)
    first.sync(sweep_dir)
    whole_run(tmp_path / "multirun" / "handmade" / "single", arm="sdpa")
    first.sync(tmp_path / "multirun")
    with mlflow_server(tmp_path, database, port := free_port()) as url:
        config = TrackingConfig(name="server", kind="mlflow", uri=f"http://127.0.0.1:{port}", timeout_s=60)
        second = make_tracker(config, experiment="handmade")
        second.check()
        assert second.sync(tmp_path / "multirun") > 0
        assert second.sync(tmp_path / "multirun") == 0
        there = contents(MlflowClient(url))
    here = contents(MlflowClient(f"sqlite:///{local}"))
    assert len(here) == 6
    assert "verdict" in here["sweep stock, flash x 2 seeds"]["tags"]
    assert "report.html" in here["sweep stock, flash x 2 seeds"]["files"]
    assert "weights/best.pt" in here["flash seed 0"]["files"]
    assert there == here
