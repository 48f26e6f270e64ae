"""The event log survives a kill at any byte; a record is whole or not there."""

from __future__ import annotations

import json
import math
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sdpa_exp.errors import ComparisonError
from sdpa_exp.runs.events import EventLog, EventTail, read_events
from sdpa_exp.runs.files import EVENTS_FILE, RESULT_FILE, write_text_atomic
from sdpa_exp.runs.json_lines import LineWriter
from sdpa_exp.runs.metrics import METRICS
from sdpa_exp.runs.record import Record, read_record, write_record


def record(**changes: object) -> Record:
    values = {"status": "FINISHED", "arm": "sdpa", "seed": 0, "group_id": "c", "name": "n", "task": "train"}
    return Record(**{**values, "started_at": "2026-01-01", "ended_at": "2026-01-02", **changes})  # type: ignore[arg-type]


def test_a_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    event_log = EventLog(tmp_path)
    event_log.write("phase", name="setup")
    with (tmp_path / EVENTS_FILE).open("a", encoding="utf-8") as file:
        file.write('{"seq": 1, "event": "epo')
    assert [event["name"] for event in read_events(tmp_path)] == ["setup"]
    assert len(EventTail(tmp_path).poll()) == 1


def test_every_event_is_on_disk_when_write_returns(tmp_path: Path) -> None:
    event_log = EventLog(tmp_path)
    for number in range(3):
        event_log.write("epoch", epoch=number)
        assert len((tmp_path / EVENTS_FILE).read_text().splitlines()) == number + 1


def test_a_tail_gives_each_event_once(tmp_path: Path) -> None:
    tail = EventTail(tmp_path)
    assert tail.poll() == []
    event_log = EventLog(tmp_path)
    event_log.write("epoch", epoch=1)
    assert [event["epoch"] for event in tail.poll()] == [1]
    event_log.write("epoch", epoch=2)
    assert [event["epoch"] for event in tail.poll()] == [2]
    assert tail.poll() == []


def test_nan_metrics_survive_the_event_log(tmp_path: Path) -> None:
    EventLog(tmp_path).write("epoch", metrics={"mAP50": math.nan})
    assert math.isnan(read_events(tmp_path)[0]["metrics"]["mAP50"])


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = record(metrics={"mAP50": 0.5, "train_s": None}, unmeasured={"train_s": "one epoch"})
    write_record(tmp_path, written)
    assert read_record(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == [RESULT_FILE]


def test_a_missing_torn_or_foreign_record_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match=r"is missing: the run has not ended, or this is not a run folder"):
        read_record(tmp_path)
    (tmp_path / RESULT_FILE).write_text('{"schema_version": 1, "sta')
    with pytest.raises(ComparisonError, match="is not JSON"):
        read_record(tmp_path)
    (tmp_path / RESULT_FILE).write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(ComparisonError, match="has another schema version than 1"):
        read_record(tmp_path)
    (tmp_path / RESULT_FILE).write_text(json.dumps({"schema_version": 1, "colour": "blue"}))
    with pytest.raises(ComparisonError, match="does not have the keys of a record"):
        read_record(tmp_path)


def test_every_metric_says_what_it_means_in_which_unit() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.meaning
        unit = {"_mib": "MiB", "per_s": "images/s", "_s": "s"}
        assert next((unit[end] for end in unit if name.endswith(end)), metric.unit) == metric.unit


def test_threads_that_write_one_file_at_once_leave_one_whole_content_and_nothing_else(tmp_path: Path) -> None:
    texts = [str(number) * 10_000 for number in range(8)]
    with ThreadPoolExecutor(len(texts)) as pool:
        for _ in pool.map(lambda text: write_text_atomic(tmp_path / "a.json", text), 20 * texts):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text(encoding="utf-8") in texts


def test_a_signal_between_a_line_and_its_count_leaves_the_numbers_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_log = EventLog(tmp_path)
    write = LineWriter.write

    def struck(writer: LineWriter, content: dict[str, Any]) -> None:
        write(writer, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LineWriter, "write", struck)
        with pytest.raises(KeyboardInterrupt):
            event_log.write("epoch", epoch=1)
    event_log.write("run_finished")
    assert [event["seq"] for event in read_events(tmp_path)] == [0, 1]


def test_a_full_disk_costs_the_line_that_did_not_fit_and_no_other(tmp_path: Path) -> None:
    """A limit of the file's size stands for the disk: the system takes a part of the line and refuses the rest."""
    event_log = EventLog(tmp_path)
    event_log.write("epoch", epoch=1)
    size = (tmp_path / EVENTS_FILE).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
        with pytest.raises(OSError, match=r"No space left on device|File too large"):
            event_log.write("epoch", epoch=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / EVENTS_FILE).stat().st_size == size
    event_log.write("epoch", epoch=3)
    assert [event["epoch"] for event in read_events(tmp_path)] == [1, 3]
