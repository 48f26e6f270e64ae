"""task=train: one real training with an injected backend, watched and attested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sdpa_exp.config.task import Task

if TYPE_CHECKING:
    from sdpa_exp.config.plan import Plan
    from sdpa_exp.runs.events import EventLog
    from sdpa_exp.runs.outcome import Outcome


@dataclass
class Train(Task):
    """It has no options of its own: the groups model, dataset, hardware and train say everything."""

    is_compared: ClassVar[bool] = True
    trains: ClassVar[bool] = True

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.train.work import train

        train(plan, event_log, outcome, started_perf_s=started_perf_s)
