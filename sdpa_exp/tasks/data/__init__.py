"""task=data: what a data set holds, what is wrong with it, and a mended copy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Optional

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import at_least, one_of, refuse
from sdpa_exp.config.task import PATH, Task
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome

ERRORS, WARNINGS, NOTHING = "errors", "warnings", "nothing"
FAIL_ON = (ERRORS, WARNINGS, NOTHING)


@dataclass
class Data(Task):
    """What counts as failed, and where a mended copy goes."""

    fail_on: str = field(default=ERRORS, metadata={"choices": FAIL_ON})
    fix_to: Optional[str] = field(default=None, metadata=PATH)  # noqa: UP045 - OmegaConf reads it at run time
    num_shown: int = 24

    needs_arm: ClassVar[bool] = False
    uses_device: ClassVar[bool] = False

    def check(self, plan: Plan) -> None:
        """A known word, and a folder for the copy that is new and no part of the data set."""
        one_of("data.fail_on", self.fail_on, FAIL_ON)
        at_least("data.num_shown", self.num_shown, 1, "Set data.num_shown=24.")
        if self.fix_to is None:
            return
        target = Path(self.fix_to)
        if target.exists() or target.is_symlink():
            refuse("data.fix_to", self.fix_to, "a folder that does not exist yet", "Name another one.")
        source = Path(getattr(plan.dataset, "path", None) or "")
        if source.is_dir() and source.name and target.resolve().is_relative_to(source.resolve()):
            expected = f"a folder outside of the data set in {source}, which stays as it is"
            refuse("data.fix_to", self.fix_to, expected, "Name another one.")

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.data.work import data

        data(plan, event_log, outcome, started_perf_s=started_perf_s)
