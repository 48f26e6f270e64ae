"""task=answer: which attention should I use for my model and data on my machine, and does it change anything?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Optional

from sdpa_exp.config.attentions import check_backend_name
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import at_least, refuse
from sdpa_exp.config.task import Task
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome


@dataclass
class Answer(Task):
    """What is measured, and how often."""

    arms: Optional[list[str]] = None  # noqa: UP045 - OmegaConf reads it at run time
    processes: int = 5
    rounds: int = 8
    inference_batch: int = 1
    num_images: int = 4
    time_limit_s: float = 150.0

    needs_arm: ClassVar[bool] = False
    has_own_arms: ClassVar[bool] = True

    def check(self, plan: Plan) -> None:
        """Names of arms, and numbers."""
        arms = self.arms or []
        if self.arms is not None and len(arms) < 2:
            refuse("answer.arms", f"[{','.join(arms)}]", "two or more", "Leave it out for all that run here.")
        for name in arms:
            check_backend_name("answer.arms", name, plan.attentions)
            if arms.count(name) > 1:
                refuse("answer.arms", f"[{','.join(arms)}]", "each arm once", f"Take out one {name}.")
        if plan.baseline is not None and self.arms is not None and plan.baseline not in arms:
            refuse("baseline", plan.baseline, f"one of {', '.join(arms)}", "Add it to answer.arms.")
        at_least("answer.processes", self.processes, 2, "Set answer.processes=5.")
        at_least("answer.rounds", self.rounds, 2, "Set answer.rounds=8.")
        at_least("answer.inference_batch", self.inference_batch, 1, "Set answer.inference_batch=1.")
        at_least("answer.num_images", self.num_images, 1, "Set answer.num_images=4.")
        at_least("answer.time_limit_s", self.time_limit_s, 1, "Set answer.time_limit_s=150.")

    def named_arms(self, plan: Plan) -> list[str]:
        """Those of answer.arms."""
        return self.arms or []

    def reads_data(self, plan: Plan) -> bool:
        """It trains on it."""
        return True

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.answer.work import answer

        answer(plan, event_log, outcome, started_perf_s=started_perf_s)
