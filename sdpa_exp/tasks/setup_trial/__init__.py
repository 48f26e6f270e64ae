"""task=setup_trial: how long does it take to get each implementation, and does it work in the end?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import at_least, one_of, refuse
from sdpa_exp.config.task import Task
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome


@dataclass
class SetupTrial(Task):
    """Which implementations are tried, and for how long each may take."""

    implementations: list[str] = field(default_factory=lambda: ["pytorch", "flash_attn"])
    time_limit_s: float = 600.0

    needs_arm: ClassVar[bool] = False

    def check(self, plan: Plan) -> None:
        """Names of implementations, and a time limit that leaves some time."""
        from sdpa_exp.tasks.setup_trial.work import IMPLEMENTATIONS

        at_least("setup_trial.time_limit_s", self.time_limit_s, 1, "Set setup_trial.time_limit_s=600.")
        names = tuple(IMPLEMENTATIONS)
        if not self.implementations:
            next_step = f"Set setup_trial.implementations=[{','.join(names)}]."
            refuse("setup_trial.implementations", "[]", "one or more implementations", next_step)
        for name in self.implementations:
            one_of("setup_trial.implementations", name, names)

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.setup_trial.work import setup_trial

        setup_trial(plan, event_log, outcome, started_perf_s=started_perf_s)
