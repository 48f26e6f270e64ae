"""task=sync: sends what the tracking store lacks of all runs below a folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.task import PATH, Task


@dataclass
class Sync(Task):
    """What is sent to the tracking store."""

    folder: str = field(default="multirun", metadata=PATH)
    resend: bool = False

    needs_arm: ClassVar[bool] = False
    in_parent: ClassVar[bool] = True

    def run_in_parent(self, plan: Plan) -> int:
        """See work.py."""
        from sdpa_exp.tasks.sync.work import sync

        return sync(plan)
