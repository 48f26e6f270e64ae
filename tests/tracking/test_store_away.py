"""A store that is away when a command starts, or an experiment that goes while a run does: one sentence, all later."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from sdpa_exp.errors import StoreAway
from tests.runs.folders import append_epoch, end_run, start_run, whole_run
from tests.tracking.conftest import only_run
from tests.tracking.server import free_port
from tests.tracking.test_mlflow_check import tracker_at

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.tracking.tracker import Tracker


@pytest.mark.slow
def test_an_experiment_that_is_deleted_while_a_run_goes_on_is_said_and_sent_once_restored(
    tracker: Tracker,
    client: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, logger="sdpa_exp")
    plan = start_run(tmp_path / "run")
    append_epoch(tmp_path / "run", 1)
    tracker.follow(tmp_path / "run")
    while not (found := client.get_experiment_by_name("handmade")) or not client.search_runs([found.experiment_id]):
        pass
    client.delete_experiment(found.experiment_id)
    append_epoch(tmp_path / "run", 2)
    end_run(tmp_path / "run", plan)
    assert not tracker.finish(tmp_path / "run", 60)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "someone deleted the run or its experiment there. Restore it (mlflow experiments restore" in said
    client.restore_experiment(found.experiment_id)
    assert tracker.sync(tmp_path) > 0
    run = only_run(client)
    assert run.info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(run.info.run_id, "mAP50")] == [1, 2]


def test_a_server_that_is_away_is_said_once_when_the_command_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="sdpa_exp")
    away = tracker_at(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreAway, match="can't be reached"):
        away.check()
    whole_run(tmp_path / "run")
    away.follow(tmp_path / "run")
    assert not away.finish(tmp_path / "run", 3.0)
    away.close()
    assert caplog.records == []
