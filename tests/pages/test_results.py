"""The results gallery, from the file that one command writes on a machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import machine
from pages import results

COMMITTED = results.machines()[0]


def test_a_machine_is_one_file_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = json.loads(json.dumps(COMMITTED.sweep))
    sweep["environment"] |= {"gpu": "NVIDIA T4", "driver": "580.1", "cuda": "13.2"}
    predict = {"command": machine.PREDICT, "failed": "exit code 1; FileNotFoundError: latency.json"}
    content = {"schema_version": 1, "date": "2026-11-26", "is_quick": False, "predict": predict}
    content |= {"bench": {**COMMITTED.bench, "command": machine.BENCH}, "sweep": {**sweep, "date": "2026-11-26"}}
    (tmp_path / "t4.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "rehearsal.json").write_text(json.dumps({**content, "is_quick": True}), encoding="utf-8")
    monkeypatch.setattr(results, "MACHINES", tmp_path)
    page = results.page()
    assert page.count("\n## NVIDIA T4\n") == 1
    assert "Not measured: exit code 1; FileNotFoundError: latency.json." in page
    assert "driver 580.1, CUDA 13.2" in page
    row = next(line for line in page.splitlines() if line.startswith("| NVIDIA T4 |"))
    assert row.split(" | ")[2:4] == ["- / -", "1.09 (1.07 to 1.11)"]


@pytest.mark.slow
def test_one_command_measures_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["machine", "here", "--quick", "--out", str(tmp_path)])
    assert machine.main() == 0
    content = json.loads((tmp_path / "here.json").read_text(encoding="utf-8"))
    parts = {part: content[part] for part in ("bench", "predict", "sweep")}
    page = results.page([results.Machine(files=("here.json",), **parts)])
    for title in ("### Training, seeds 0, 42", "#### Attention modules", "### Inference as"):
        assert title in page
    assert "Not measured" not in page
