"""Runs a task in this process, on the plan that the entry would make, as the worker would."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Protocol

from sdpa_exp.config.plan import Plan
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.hardware import resolve_hardware
from tests.tasks.planning import plan_of


class Task(Protocol):
    """Such as sdpa_exp.tasks.train.train."""

    def __call__(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """Run; results go into `outcome` and the run folder."""


def run_task(task: Task, folder: Path, *overrides: str) -> tuple[Outcome, Plan]:
    """What the task found, and its resolved plan; the event log is closed whatever happens."""
    plan = plan_of(*overrides, run_dir=folder)
    plan = dataclasses.replace(plan, hardware=resolve_hardware(plan.hardware))
    outcome = Outcome(environment={"cpu": "a CPU"})
    event_log = EventLog(folder)
    try:
        task(plan, event_log, outcome, started_perf_s=time.perf_counter())
    finally:
        event_log.close()
    return outcome, plan
