"""task=status: how far a sweep is, as its folder tells, and what is missing; running or not, on whatever machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.task import PATH, Task


@dataclass
class Status(Task):
    """Which folder is looked at, and whether once."""

    folder: str | None = field(default=None, metadata=PATH)
    watch: bool = False

    needs_arm: ClassVar[bool] = False
    in_parent: ClassVar[bool] = True

    def document(self, plan: Plan) -> dict[str, Any]:
        """The table, see work.py."""
        from sdpa_exp.tasks.status.work import document

        return document(plan)

    def run_in_parent(self, plan: Plan) -> int:
        """See work.py."""
        from sdpa_exp.tasks.status.work import status

        return status(plan)
