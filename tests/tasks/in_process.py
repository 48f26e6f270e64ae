"""Runs a task in this process, on the plan that the entry would make, as the worker would."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Protocol

from sdpa_exp.config.plan import Plan
from sdpa_exp.results.events import Journal
from sdpa_exp.tasks.hardware import resolve_hardware
from sdpa_exp.tasks.outcome import Outcome
from tests.tasks.planning import plan_of


class Task(Protocol):
    """Such as sdpa_exp.tasks.train.train."""

    def __call__(self, plan: Plan, journal: Journal, outcome: Outcome, *, started_perf_s: float) -> None:
        """Run; results go into `outcome` and the run folder."""


def run_task(task: Task, folder: Path, *overrides: str) -> tuple[Outcome, Plan]:
    """What the task found, and its resolved plan; the journal is closed whatever happens."""
    plan = plan_of(*overrides, run_dir=folder)
    plan = dataclasses.replace(plan, hardware=resolve_hardware(plan.hardware))
    outcome = Outcome(environment={"cpu": "a CPU"})
    journal = Journal(folder)
    try:
        task(plan, journal, outcome, started_perf_s=time.perf_counter())
    finally:
        journal.close()
    return outcome, plan
