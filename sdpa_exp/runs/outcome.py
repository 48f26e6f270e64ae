"""What a task has found out so far; the worker turns it into the record, also when the task fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sdpa_exp.runs.events import EventLog


@dataclass(kw_only=True)
class Outcome:
    """Filled by a task while it runs; the fields are those of runs.record.Record."""

    headline: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    phases_s: dict[str, float] = field(default_factory=dict)
    memory: dict[str, dict[str, float | None]] = field(default_factory=dict)
    attestation: dict[str, Any] | None = None
    digests: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    settings_changed: dict[str, list[Any]] = field(default_factory=dict)
    continued_from_epoch: int | None = None
    warnings: list[dict[str, str]] = field(default_factory=list)

    def measure(self, name: str, value: float | None, why_not: str = "") -> None:
        """Keep a metric; where it is None it was not measured, for this reason."""
        self.metrics[name] = value
        if value is None:
            self.unmeasured[name] = why_not

    def attest(self, event_log: EventLog, summary: dict[str, Any]) -> None:
        """Keep the evidence of what ran in the record and the event log."""
        self.attestation = summary
        event_log.write("attestation", summary=summary)

    def warn(self, event_log: EventLog, code: str, message: str) -> None:
        """Keep a warning in the record and the event log."""
        self.warnings.append({"code": code, "message": message})
        event_log.write("warning", code=code, message=message)
