"""task=compare: compares runs that are there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.task import Task


@dataclass
class Compare(Task):
    """Its options are those of the group compare, which every run declares."""

    needs_arm: ClassVar[bool] = False
    in_parent: ClassVar[bool] = True

    def run_in_parent(self, plan: Plan) -> int:
        """See work.py."""
        from sdpa_exp.tasks.compare.work import compare

        return compare(plan)
