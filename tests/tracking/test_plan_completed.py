"""A single run's worker resolves `hardware=auto` and rewrites the plan, while the run is already followed."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from sdpa_exp.config.plan import write_plan
from sdpa_exp.tracking.tracker import Tracker
from tests.runs.folders import append_epoch, append_event, end_run, plan_for
from tests.tracking.conftest import all_runs, only_run

if TYPE_CHECKING:
    from pathlib import Path


def test_params_are_those_of_the_plan_that_the_worker_completed(tracker: Tracker, client: Any, tmp_path: Path) -> None:
    plan = plan_for(tmp_path / "run")
    asked = dataclasses.replace(plan, hardware=dataclasses.replace(plan.hardware, device="auto"))
    write_plan(asked)
    tracker.follow(tmp_path / "run")
    time.sleep(2.5)  # the follower looks once a second; too short a wait could only make this test pass
    assert all_runs(client) == []
    write_plan(dataclasses.replace(plan, hardware=dataclasses.replace(plan.hardware, device="cpu")))
    append_event(tmp_path / "run", "run_started", plan_group_id=plan.group_id())
    append_epoch(tmp_path / "run", 1, epochs=1)
    end_run(tmp_path / "run", plan)
    assert tracker.finish(tmp_path / "run", 20.0)
    assert only_run(client).data.params["hardware.device"] == "cpu"
