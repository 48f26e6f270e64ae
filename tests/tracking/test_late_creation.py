"""A creation that is answered too late: the run that it leaves behind, and who may delete that."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.tracking.logged_model import Checkpoints
from sdpa_exp.tracking.run_sender import is_all_sent
from sdpa_exp.tracking.tracker import make_tracker
from tests.runs.folders import whole_run
from tests.tracking.conftest import all_runs
from tests.tracking.server import free_port, mlflow_server
from tests.tracking.slow_proxy import slow_proxy

if TYPE_CHECKING:
    from pathlib import Path

_CREATE = "POST /api/2.0/mlflow/runs/create"


@pytest.mark.slow  # starts a server
@pytest.mark.parametrize("may_delete", [True, False], ids=["owner", "second_user"])
def test_a_creation_that_lands_late_leaves_one_run_with_our_key_whoever_may_delete(
    database: Path, client: Any, tmp_path: Path, may_delete: bool
) -> None:
    whole_run(tmp_path / "run", arm="flash")
    landed = threading.Event()
    is_first = iter([True])

    def hold_the_first_creation(what: str) -> float:
        return 4.0 if what == _CREATE and next(is_first, False) else 0.0

    def forbid_deleting(what: str) -> int | None:
        return 403 if what.endswith("runs/delete") and not may_delete else None

    port = free_port()
    with (
        mlflow_server(tmp_path, database, port),
        slow_proxy(port, hold_the_first_creation, refused=forbid_deleting) as (url, passed),
    ):
        config = TrackingConfig(name="server", kind="mlflow", uri=url, timeout_s=2.0)
        tracker = make_tracker(config, experiment="handmade")
        with pytest.raises(TrackingError, match="did not create the run: no answer in time"):
            tracker.sync(tmp_path / "run")
        tracker.sync(tmp_path / "run")  # makes another one, and is complete before the first one lands
        assert is_all_sent(tmp_path / "run", store_uri=url, checkpoints=Checkpoints())
        while len(all_runs(client)) < 2:
            landed.wait(0.2)
        assert sum("sdpa_exp.key" in run.data.tags for run in all_runs(client)) == 2
        tracker.sync(tmp_path / "run")  # finds both, and says nothing of a folder that is left out
        runs = all_runs(client)
        assert sum(what.what.endswith("runs/delete") for what in passed) == (1 if may_delete else 0)
        tracker.sync(tmp_path / "run")
        tracker.close()
    ours = [run for run in runs if "sdpa_exp.key" in run.data.tags]
    assert [run.info.status for run in ours] == ["FINISHED"]
    strays = [run for run in runs if "sdpa_exp.key" not in run.data.tags]
    assert len(strays) == (0 if may_delete else 1)
    for stray in strays:
        assert stray.info.status == "KILLED"
        assert stray.data.tags["sdpa_exp.stray"].startswith(f"of run {ours[0].info.run_id}")
    assert len(all_runs(client)) == len(runs)
