"""The document of output=json, from the folders that a run and a sweep leave."""

from __future__ import annotations

from pathlib import Path

from sdpa_exp.json_output import run_document, sweep_document
from sdpa_exp.runs.files import write_json_atomic
from tests.runs.folders import end_run, start_run, whole_run, write_comparison, write_sweep


def test_a_run_is_its_record_and_what_its_task_measured(tmp_path: Path) -> None:
    end_run(tmp_path, start_run(tmp_path), task="bench")
    write_json_atomic(tmp_path / "bench.json", {"rows": [1]})
    document = run_document(tmp_path, 0)
    assert (document["folder"], document["exit_code"], document["bench"]) == (str(tmp_path), 0, {"rows": [1]})
    assert document["result"]["metrics"]["mAP50"] == 0.8
    assert document["result"]["unmeasured"] == {"peak_memory_mib": "made by hand"}


def test_a_sweep_is_its_comparison_and_its_runs_in_order_also_one_that_left_nothing(tmp_path: Path) -> None:
    first, second = write_sweep(tmp_path, [("stock", 0), ("flash", 0)])
    whole_run(first, arm="stock")
    write_comparison(tmp_path)
    document = sweep_document(tmp_path, 7)
    assert document["comparison"]["headline"].startswith("made by hand")
    assert [run["folder"] for run in document["runs"]] == [str(first), str(second)]
    assert document["runs"][0]["result"]["arm"] == "stock"
    assert "result" not in document["runs"][1]
    assert document["runs"][1]["exit_code"] != 0
