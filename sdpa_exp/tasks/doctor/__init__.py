"""task=doctor: what can run on this machine, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import at_least
from sdpa_exp.config.task import Task
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome


@dataclass
class Doctor(Task):
    """How the machine is looked at."""

    network: bool = True
    time_limit_s: float = 60.0

    needs_arm: ClassVar[bool] = False
    examines: ClassVar[bool] = True

    def check(self, plan: Plan) -> None:
        """A time limit that leaves some time."""
        at_least("doctor.time_limit_s", self.time_limit_s, 1, "Set doctor.time_limit_s=60.")

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.doctor.work import doctor

        doctor(plan, event_log, outcome, started_perf_s=started_perf_s)
