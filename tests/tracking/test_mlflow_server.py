"""A real MLflow server, killed and restarted in the middle of a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.tracking.tracker import make_tracker
from tests.tracking.conftest import only_run
from tests.tracking.folders import append_epoch, append_samples, end_run, start_run, whole_run
from tests.tracking.server import free_port, mlflow_server

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
        assert tracker.finish(run_dir, 60) or tracker.finish(run_dir, 60)
        tracker.finish(tmp_path / "other", 60)
        tracker.close()
        again = make_tracker(config, experiment="handmade")
        again.sync(tmp_path)  # what the thread had not sent when it was stopped
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
