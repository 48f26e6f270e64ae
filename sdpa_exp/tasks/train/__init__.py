"""task=train: one real training with an injected backend, watched and attested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.task import Task
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome


@dataclass
class Train(Task):
    """It has no options of its own: the groups model, dataset, hardware and train say everything."""

    is_compared: ClassVar[bool] = True
    trains: ClassVar[bool] = True

    def check(self, plan: Plan) -> None:
        """Refuse a folder from which Ultralytics can't load a checkpoint.

        Raises:
            ConfigError: its path has a question mark.
        """
        if "?" in plan.job.run_dir:
            raise ConfigError(
                f"the run folder {plan.job.run_dir} has a ? in its path, and Ultralytics takes what follows it for the "
                f"query of an address: expected a path without. Choose one with hydra.run.dir or hydra.sweep.dir."
            )

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.train.work import train

        train(plan, event_log, outcome, started_perf_s=started_perf_s)
