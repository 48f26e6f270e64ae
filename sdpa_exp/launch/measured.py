"""Adds to the worker's record what the parent measured beside it: telemetry, energy, cost."""

from __future__ import annotations

import dataclasses
from typing import Any

from sdpa_exp.config.plan import Plan, read_plan
from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import TELEMETRY_FILE
from sdpa_exp.runs.record import Record
from sdpa_exp.runs.samples import read_samples
from sdpa_exp.telemetry.metrics import cost_metric, energy_metrics
from sdpa_exp.telemetry.summary import Phase, summarize


def with_telemetry(plan: Plan, record: Record) -> Record:
    """The record with the summary of telemetry.jsonl, and for a training with the metrics of energy and cost."""
    events = list(read_events(plan.run_dir))
    summary = _summary(plan, events)
    record = dataclasses.replace(record, telemetry=summary)
    if plan.task.name != "train":
        return record
    plan = read_plan(plan.run_dir)  # the worker resolved the device
    num_epochs = sum(event["event"] == "phase" and event["name"] == "train" for event in events)
    energy, why_no_energy = energy_metrics(plan, record, summary, num_epochs)
    cost, why_no_cost = cost_metric(plan, record, summary)
    hardware = plan.hardware
    prices = {
        "currency": hardware.currency,
        "price_per_gpu_hour": hardware.price_per_gpu_hour,
        "price_per_kwh": hardware.price_per_kwh,
    }
    return dataclasses.replace(
        record,
        metrics={**record.metrics, **energy, **cost},
        unmeasured={**record.unmeasured, **why_no_energy, **why_no_cost},
        prices=None if cost["cost"] is None else prices,
        warnings=[*record.warnings, *_polled(summary, energy)],
    )


def _polled(summary: dict[str, Any] | None, energy: dict[str, float | None]) -> list[dict[str, str]]:
    """A warning where the energy is not a counter's."""
    if summary is None or energy["energy_j"] is None or summary["phases"]["train"]["energy_source"] != "polling":
        return []
    reason = summary["phases"]["train"]["unmeasured"]["energy_j"]
    return [{"code": "energy_polled", "message": f"the GPU's energy is {reason}."}]


def _summary(plan: Plan, events: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not (plan.run_dir / TELEMETRY_FILE).exists():
        return None
    phases = [
        Phase(name=e["name"], start_unix_s=e["time_unix_s"] - e["wall_s"], end_unix_s=e["time_unix_s"])
        for e in events
        if e["event"] == "phase"
    ]
    uuids = (e["environment"].get("gpu_uuid") for e in events if e["event"] == "environment")
    untouched_s = (e.get("gpu_untouched_until_unix_s") for e in events if e["event"] == "run_started")
    return summarize(
        read_samples(plan.run_dir),
        phases,
        gpu_uuid=next(uuids, None),
        untouched_until_unix_s=next(untouched_s, None),
    )
