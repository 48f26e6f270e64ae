"""task=verify: does this arm compute what stock computes?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Optional

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import PRECISIONS, at_least, one_of, refuse
from sdpa_exp.config.task import PATH, Task
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome


@dataclass
class Verify(Task):
    """What is compared, and how strictly."""

    weights: Optional[str] = field(default=None, metadata=PATH)  # noqa: UP045 - OmegaConf reads it at run time
    precisions: Optional[list[str]] = field(default=None, metadata={"choices": PRECISIONS})  # noqa: UP045
    num_images: int = 4
    max_ratio: float = 6.0

    is_timed: ClassVar[bool] = False
    takes_timm: ClassVar[bool] = True

    def check(self, plan: Plan) -> None:
        """Numbers, precisions, and weights that are there."""
        at_least("verify.num_images", self.num_images, 1, "Set verify.num_images=4.")
        at_least("verify.max_ratio", self.max_ratio, 1, "Set verify.max_ratio=6, the rule of this project.")
        for precision in self.precisions or ():
            one_of("verify.precisions", precision, PRECISIONS)
        if self.precisions == []:
            refuse("verify.precisions", "[]", "one or more precisions", "Set verify.precisions=null for all there are.")
        if self.weights and not Path(self.weights).is_file():
            refuse("verify.weights", self.weights, "a checkpoint that exists", "Give the path of a best.pt.")

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.verify.work import verify

        verify(plan, event_log, outcome, started_perf_s=started_perf_s)
