"""Records of runs that ended, died, or never began."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sdpa_exp.config.plan import Plan, write_plan
from sdpa_exp.errors import RunError, SdpaExpError
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.record import Record, Status, write_record


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
