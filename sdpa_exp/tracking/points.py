"""Event log, telemetry and record as MLflow metrics: pure functions, with the timestamps of the run folder.

The same line always gives the same (name, step, timestamp, value), which is what makes sending twice harmless.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sdpa_exp.runs.purposes import PURPOSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdpa_exp.runs.record import Record

# MLflow: alphanumerics, underscore, dash, period, space and slash on every system (colons not on Windows).
_FORBIDDEN = re.compile(r"[^\w.\- /]")
# A chart needs no more: all samples of the first two minutes, then every tenth. The run folder keeps all.
_NUM_DENSE_SAMPLES = 120
_SPARSE_EVERY = 10
_FIRST = tuple(dict.fromkeys(name for each in PURPOSES.values() for name in (each.accuracy, *each.shown)))
_NOT_METRICS = ("time_unix_s", "mono_s", "unavailable")


@dataclass(frozen=True, kw_only=True)
class Point:
    """One value of one metric."""

    name: str
    value: float
    time_unix_ms: int
    step: int


def metric_name(name: str) -> str:
    """The name with every character that MLflow refuses replaced by an underscore."""
    return _FORBIDDEN.sub("_", name).strip("/")


def unix_ms(iso_8601: str) -> int:
    """Milliseconds of a UTC time as the record writes it."""
    return round(datetime.fromisoformat(iso_8601).timestamp() * 1000)


def event_points(event: Mapping[str, Any]) -> list[Point]:
    """The metrics of one event, an epoch's, by step; accuracy first: MLflow's compare view starts with it."""
    if event["event"] != "epoch":
        return []
    values = {name: event["metrics"][name] for name in _FIRST if name in event["metrics"]}
    values |= {**event["metrics"], "epoch/train_s": event.get("train_s"), "epoch/val_s": event.get("val_s")}
    return _points(values, round(event["time_unix_s"] * 1000), int(event["epoch"]))


def sample_points(sample: Mapping[str, Any], index: int) -> list[Point]:
    """The metrics of telemetry line `index` under MLflow's prefix for system metrics; none for a line left out."""
    if index >= _NUM_DENSE_SAMPLES and index % _SPARSE_EVERY:
        return []
    names = [name for name in sample if name not in _NOT_METRICS and "/" not in name]  # uuid/name: any GPU's
    values = {f"system/{name}": sample[name] for name in names}
    return _points(values, round(sample["time_unix_s"] * 1000), index)


def record_points(record: Record) -> list[Point]:
    """The final metrics and the phases' totals, one value each."""
    values = {f"final/{name}": value for name, value in record.metrics.items()}
    overall = (record.telemetry or {}).get("overall") or {}
    train = ((record.telemetry or {}).get("phases") or {}).get("train") or {}
    values["final/total_energy_j"] = overall.get("energy_j")
    for name in ("peak_gpu_power_w", "max_gpu_temperature_c", "throttled_s"):
        values[f"final/{name}"] = train.get(name)
    for phase, wall_s in record.phases_s.items():
        peaks = record.memory.get(phase) or {}
        values |= {f"phase/{phase}_s": wall_s, **{f"phase/{phase}_{name}": value for name, value in peaks.items()}}
    return _points(values, unix_ms(record.ended_at), 0)


def headline_points(headline: Mapping[str, Any]) -> list[Point]:
    """The figures of a sweep's headline.json, with the time written in it."""
    return _points(headline.get("metrics") or {}, int(headline.get("time_unix_ms", 0)), 0)


def _points(values: Mapping[str, Any], time_unix_ms: int, step: int) -> list[Point]:
    """What MLflow can hold; an infinite value, which it would keep as 1.8e308, stays in the run folder alone."""
    return [
        Point(name=metric_name(name), value=float(value), time_unix_ms=time_unix_ms, step=step)
        for name, value in values.items()
        if isinstance(value, int | float) and not math.isinf(value)
    ]
