"""The watchers, one by one, on small stand-ins for a trainer; together they run in tests/launch."""

from __future__ import annotations

import mmap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from ultralytics.data.build import build_dataloader

from sdpa_exp.callbacks.data_stream import NUM_BATCHES, DataStream, weights_digest
from sdpa_exp.callbacks.event_log import images_per_epoch
from sdpa_exp.callbacks.phases import PhaseClock
from sdpa_exp.callbacks.settings import SettingsCheck
from sdpa_exp.measure.process_memory import ProcessPeaks
from sdpa_exp.runs.events import EventLog, read_events
from sdpa_exp.runs.metrics import our_names
from sdpa_exp.runs.outcome import Outcome


@pytest.fixture
def event_log(tmp_path: Path) -> EventLog:
    return EventLog(tmp_path)


def test_phases_partition_the_time_and_repeat_visits_add_up(event_log: EventLog) -> None:
    started_s = time.perf_counter()
    clock = PhaseClock(event_log, started_perf_s=started_s)
    for phase in ("warmup", "validation", "train", "validation"):
        clock.enter(phase)
    clock.close_into(Outcome())
    elapsed_s = time.perf_counter() - started_s
    assert list(clock.wall_s) == ["setup", "warmup", "validation", "train"]
    assert 0 < sum(clock.wall_s.values()) <= elapsed_s


def test_the_peak_of_one_phase_does_not_leak_into_the_next(event_log: EventLog) -> None:
    if ProcessPeaks(torch.device("cpu")).read()["peak_rss_mib"] is None:
        pytest.skip("this system has no /proc")
    clock = PhaseClock(event_log, started_perf_s=time.perf_counter())
    clock.enter("large")
    with mmap.mmap(-1, 64 * 2**20) as block:  # straight from the system: an allocator may keep what it gets back
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
    clock.enter("small")
    clock.close_into(Outcome())
    large, small = clock.memory["large"]["peak_rss_mib"], clock.memory["small"]["peak_rss_mib"]
    assert large is not None
    assert small is not None
    assert large - small > 32


def test_a_phase_is_in_the_event_log_as_soon_as_it_ends(event_log: EventLog, tmp_path: Path) -> None:
    PhaseClock(event_log, started_perf_s=time.perf_counter()).enter("warmup")
    events = list(read_events(tmp_path))
    assert [(event["event"], event["name"]) for event in events] == [("phase", "setup")]


def test_metric_names_are_the_fields() -> None:
    given = {"metrics/precision(B)": 1, "metrics/recall(B)": 2, "metrics/mAP50(B)": 3, "metrics/mAP50-95(B)": 4}
    assert our_names({**given, "train/box_loss": 5}) == {
        "precision": 1,
        "recall": 2,
        "mAP50": 3,
        "mAP50-95": 4,
        "train/box_loss": 5,
    }


def test_a_setting_that_ultralytics_changed_is_reported_once_with_both_values(
    event_log: EventLog, tmp_path: Path
) -> None:
    check = SettingsCheck(event_log, {"workers": 8, "batch": 16, "amp": False})
    trainer = SimpleNamespace(args=SimpleNamespace(workers=0, batch=16, amp=False), amp=False)
    for function in check.callbacks().values():
        function(trainer)
    assert check.changed == {"workers": [8, 0]}
    assert [event["message"] for event in read_events(tmp_path)] == [
        "Ultralytics changed workers from 8 to 0 by itself."
    ]


def test_an_amp_that_switched_itself_off_is_reported(event_log: EventLog) -> None:
    check = SettingsCheck(event_log, {"amp": True})
    trainer = SimpleNamespace(args=SimpleNamespace(amp=True), amp=False)
    check.callbacks()["on_train_start"](trainer)
    assert check.changed == {"amp": [True, False]}


def stream_of(batches: list[dict[str, torch.Tensor]], event_log: EventLog) -> str:
    stream = DataStream(event_log)
    callbacks = stream.callbacks()
    for batch in batches:
        callbacks["on_train_batch_ready"](SimpleNamespace(last_batch=batch))
    callbacks["on_train_epoch_end"](None)
    return stream.digests["data_stream"]


def batch_of(value: float) -> dict[str, Any]:
    return {key: torch.full((2, 3), value) for key in ("img", "cls", "bboxes", "batch_idx")}


def test_the_stream_digest_depends_on_content_and_order_of_the_first_batches_only(event_log: EventLog) -> None:
    first = [batch_of(float(i)) for i in range(NUM_BATCHES)]
    assert stream_of(first, event_log) == stream_of([*first, batch_of(99.0)], event_log)
    assert stream_of(first, event_log) != stream_of(first[::-1], event_log)


def test_the_weights_digest_sees_a_single_changed_bit() -> None:
    layer = nn.Linear(2, 2)
    before = weights_digest(layer)
    assert weights_digest(layer) == before
    with torch.no_grad():
        layer.weight[0, 0] = torch.nextafter(layer.weight[0, 0], torch.tensor(float("inf")))
    assert weights_digest(layer) != before


@pytest.mark.parametrize(("drop_last", "num_images"), [(True, 8), (False, 10)])
def test_a_rate_counts_the_images_that_are_trained_on_and_not_those_that_ultralytics_drops(
    drop_last: bool, num_images: int
) -> None:
    loader = build_dataloader(range(10), batch=4, workers=0, drop_last=drop_last, shuffle=False)
    assert sum(len(batch) for batch in loader) == num_images == images_per_epoch(loader)


def test_a_data_set_smaller_than_a_batch_is_one_batch() -> None:
    assert images_per_epoch(build_dataloader(range(3), batch=4, workers=0, drop_last=True, shuffle=False)) == 3
