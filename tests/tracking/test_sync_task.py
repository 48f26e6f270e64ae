"""task=sync with a real sqlite store."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sdpa_exp.launch.launch import run_single
from tests.runs.folders import plan_for, whole_run
from tests.tracking.conftest import only_run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from sdpa_exp.config.plan import Plan
    from sdpa_exp.config.schema import TaskConfig, TrackingConfig


def sync_plan(folder: Path, config: TrackingConfig) -> Plan:
    plan = plan_for(folder / "out")
    task: TaskConfig = dataclasses.replace(plan.task, name="sync")
    return dataclasses.replace(plan, task=task, tracking=config, options={"folder": str(folder / "runs")})


def test_sync_sends_what_the_store_lacks_once_and_says_how_much(
    config: TrackingConfig, client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_run(tmp_path / "runs" / "one", arm="stock")
    plan = sync_plan(tmp_path, config)
    assert run_single(plan) == 0
    said = capsys.readouterr().out
    assert "requests sent" in said
    assert "mlflow ui" in said
    assert only_run(client, arm="stock").info.status == "FINISHED"
    assert run_single(plan) == 0
    assert "nothing was missing in the store" in capsys.readouterr().out


def test_sync_leads_to_the_experiments_of_what_it_sent_and_makes_no_other(
    config: TrackingConfig, client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_run(tmp_path / "runs" / "one", arm="stock")
    plan = dataclasses.replace(sync_plan(tmp_path, config), name="another")
    assert run_single(plan) == 0
    (experiment,) = (e for e in client.search_experiments() if e.name != "Default")
    assert experiment.name == "handmade"
    assert f"#/experiments/{experiment.experiment_id}/runs" in capsys.readouterr().out

    other = tmp_path / "runs" / "two"
    whole_run(other, arm="flash")
    content = (other / "plan.yaml").read_text(encoding="utf-8")
    (other / "plan.yaml").write_text(content.replace("name: handmade", "name: second"), encoding="utf-8")
    assert run_single(plan) == 0
    assert {e.name for e in client.search_experiments()} == {"Default", "handmade", "second"}
    assert "#/experiments?" in capsys.readouterr().out
