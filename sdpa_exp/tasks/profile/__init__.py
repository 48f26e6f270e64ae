"""task=profile: where a training step goes, in time and memory, and what attention could save at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import at_least, refuse
from sdpa_exp.config.task import Task
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome

_MAX_PROFILED = 50


@dataclass
class Profile(Task):
    """How many steps are taken for what."""

    trains: ClassVar[bool] = True

    warmup_steps: int = 4
    num_pairs: int = 6
    num_steps: int = 3
    trace: bool = True

    def check(self, plan: Plan) -> None:
        """Enough steps and not too many, and none that is compiled."""
        at_least("profile.warmup_steps", self.warmup_steps, 1, "Set profile.warmup_steps=4.")
        at_least("profile.num_pairs", self.num_pairs, 2, "Set profile.num_pairs=6; one pair has no spread.")
        at_least("profile.num_steps", self.num_steps, 1, "Set profile.num_steps=3.")
        if self.num_steps > _MAX_PROFILED:
            next_step = "Set profile.num_steps=3; each step makes the trace larger and its reading longer."
            refuse("profile.num_steps", self.num_steps, f"at most {_MAX_PROFILED}", next_step)
        if plan.train.compile:
            next_step = "Leave train.compile out: the parts of a compiled step can't be told apart."
            refuse("train.compile", plan.train.compile, "false with task=profile", next_step)

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.profile.work import profile

        profile(plan, event_log, outcome, started_perf_s=started_perf_s)
