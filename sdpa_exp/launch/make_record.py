"""Records of runs that ended, died, or never began; with telemetry, energy and cost, which the parent measured."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from sdpa_exp.config.plan import Plan, read_plan, write_plan
from sdpa_exp.errors import RunError, SdpaExpError
from sdpa_exp.runs.attempts import earlier_attempts
from sdpa_exp.runs.environment import gpus_of
from sdpa_exp.runs.events import EventLog, read_events
from sdpa_exp.runs.files import TELEMETRY_FILE
from sdpa_exp.runs.record import Record, Status, write_record
from sdpa_exp.runs.samples import read_samples
from sdpa_exp.telemetry.energy_and_cost import cost_metric, energy_metrics
from sdpa_exp.telemetry.summary import Phase, summarize


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat()


def record_of(plan: Plan, *, status: Status, started_at: str, **values: Any) -> Record:
    """The record of a plan's run that ends now; `values` are further fields of Record."""
    return Record(
        status=status,
        arm=plan.arm,
        seed=plan.seed,
        group_id=plan.group_id(),
        name=plan.name,
        task=plan.task.name,
        copy_of=plan.attention.copy_of,
        started_at=started_at,
        ended_at=now(),
        attempts=earlier_attempts(plan.run_dir),
        **values,
    )


def record_unstarted(plan: Plan, error: Exception) -> Record:
    """Give a run that never started a folder with plan, event log and record, so that it is counted."""
    write_plan(plan)
    exit_code = error.exit_code if isinstance(error, SdpaExpError) else RunError.exit_code
    record = record_of(
        plan, status="FAILED", started_at=now(), reason=str(error), error=type(error).__name__, exit_code=exit_code
    )
    event_log = EventLog(plan.run_dir)
    event_log.write("error", error=record.error, message=record.reason)
    event_log.write("run_finished", status=record.status)
    event_log.close()
    write_record(plan.run_dir, record)
    return record


def with_telemetry(plan: Plan, record: Record) -> Record:
    """The record with the summary of telemetry.jsonl, and for a training with the metrics of energy and cost."""
    events = read_events(plan.run_dir)
    summary = _summary(plan, events)
    record = dataclasses.replace(record, telemetry=summary)
    if plan.task.name != "train":
        return record
    plan = read_plan(plan.run_dir)  # the worker resolved the device
    num_epochs = sum(event["event"] == "phase" and event["name"] == "train" for event in events)
    energy, why_no_energy = energy_metrics(plan, record, summary, num_epochs)
    cost, why_no_cost = cost_metric(plan, record, summary)
    hardware = plan.hardware
    if record.continued_from_epoch is not None:
        why = record.unmeasured["train_s"]
        energy, cost = dict.fromkeys(energy), dict.fromkeys(cost)
        why_no_energy, why_no_cost = dict.fromkeys(energy, why), dict.fromkeys(cost, why)
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
    uuids = (gpus_of(e["environment"]) for e in events if e["event"] == "environment")
    untouched_s = (e.get("gpu_untouched_until_unix_s") for e in events if e["event"] == "run_started")
    return summarize(
        read_samples(plan.run_dir),
        phases,
        gpu_uuids=next(uuids, []),
        untouched_until_unix_s=next(untouched_s, None),
    )
