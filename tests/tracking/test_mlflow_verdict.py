"""The answer of a sweep on its parent run, in a real sqlite store, and the links between folders and runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sdpa_exp.compare.run_compare import compare_sweep
from tests.runs.folders import whole_run, write_sweep
from tests.tracking.conftest import only_run

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.tracking.tracker import Tracker

JOBS = [("stock", 0), ("flash", 0), ("stock", 1), ("flash", 1)]


def test_the_parent_carries_the_verdict_and_folders_and_runs_link_to_each_other(
    tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    sweep_dir = tmp_path / "sweep"
    for num, (run_dir, (arm, seed)) in enumerate(zip(write_sweep(sweep_dir, JOBS), JOBS, strict=True)):
        whole_run(run_dir, arm=arm, seed=seed, sweep_dir=str(sweep_dir), num=num, offset=num / 10)
        tracker.sync(run_dir)
    comparison = compare_sweep(sweep_dir)
    tracker.sync(sweep_dir)

    parent = only_run(client, arms="stock, flash")
    metrics, tags = parent.data.metrics, parent.data.tags
    expected = next(d for d in comparison.groups[0].differences if d.metric == "train_s").test.mean
    assert metrics["compare/speed/flash/difference"] == expected
    assert metrics["compare/findings/error"] == sum(f.severity == "error" for f in comparison.findings)
    assert tags["verdict"] == comparison.headline
    assert tags["verdict.speed.flash"] == "deterministic"
    note = tags["mlflow.note.content"]
    assert note.startswith(f"**{comparison.headline}**")
    assert note.endswith(f"Sweep folder: `{sweep_dir}`; report.html is among the artifacts")
    files = {artifact.path for artifact in client.list_artifacts(parent.info.run_id)}
    assert {"report.html", "report.md", "comparison.json", "tables"} <= files
    assert {"tables/runs.csv", "tables/arms.tex"} <= {
        artifact.path for artifact in client.list_artifacts(parent.info.run_id, "tables")
    }

    child = only_run(client, arm="flash", run_dir=str(sweep_dir / "1_flash_seed0"))
    assert f"Run folder: `{sweep_dir / '1_flash_seed0'}`" in child.data.tags["mlflow.note.content"]
    page = f"http://127.0.0.1:5000/#/experiments/{child.info.experiment_id}/runs/{child.info.run_id}"
    assert f'<a href="{page}">MLflow, while mlflow ui runs</a>' in (sweep_dir / "report.html").read_text("utf-8")


def test_the_same_answer_sent_again_is_one_value_and_a_new_one_wins(
    tracker: Tracker, client: Any, tmp_path: Path
) -> None:
    sweep_dir = tmp_path / "sweep"
    for num, (run_dir, (arm, seed)) in enumerate(zip(write_sweep(sweep_dir, JOBS), JOBS, strict=True)):
        whole_run(run_dir, arm=arm, seed=seed, sweep_dir=str(sweep_dir), offset=num / 10)
    headline = sweep_dir / "headline.json"
    compare_sweep(sweep_dir)
    first = headline.read_bytes()
    tracker.sync(sweep_dir)
    compare_sweep(sweep_dir)
    assert headline.read_bytes() == first
    headline.write_bytes(first)  # touched: it is sent again
    tracker.sync(sweep_dir)
    run_id = only_run(client, arms="stock, flash").info.run_id
    assert len(client.get_metric_history(run_id, "compare/speed/flash/difference")) == 1

    content = json.loads(first)
    content["metrics"]["compare/speed/flash/difference"] = -1000.0
    content["time_unix_ms"] += 1
    headline.write_text(json.dumps(content), encoding="utf-8")
    tracker.sync(sweep_dir)
    assert client.get_run(run_id).data.metrics["compare/speed/flash/difference"] == -1000.0
