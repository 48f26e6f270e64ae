"""task=bench: arms against each other inside one process, on one model, in interleaved rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Optional

from sdpa_exp.config.attentions import check_backend_name, names_attention
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import PRECISIONS, at_least, one_of, refuse
from sdpa_exp.config.task import Task
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome

LEVELS = ("step", "inference", "module", "op")
_LEAVE_OUT = "Leave it out for the default."


@dataclass
class Bench(Task):
    """What is timed, and for how long."""

    arms: Optional[list[str]] = None  # noqa: UP045 - OmegaConf reads it at run time
    levels: Optional[list[str]] = field(default=None, metadata={"choices": LEVELS})  # noqa: UP045
    op_shapes: Optional[list[list[int]]] = None  # noqa: UP045
    imgsz: list[int] = field(default_factory=lambda: [640])
    batches: Optional[list[int]] = None  # noqa: UP045
    inference_batches: list[int] = field(default_factory=lambda: [1])
    precisions: Optional[list[str]] = field(default=None, metadata={"choices": PRECISIONS})  # noqa: UP045
    rounds: int = 10
    time_limit_s: float = 240.0
    decide: bool = False
    margin: float = 0.02

    takes_timm: ClassVar[bool] = True
    needs_arm: ClassVar[bool] = False
    has_own_arms: ClassVar[bool] = True

    def check(self, plan: Plan) -> None:
        """Names of arms, levels and precisions, sizes, and numbers."""
        for key in ("arms", "levels", "precisions", "op_shapes", "imgsz", "batches", "inference_batches"):
            if getattr(self, key) == []:
                refuse(f"bench.{key}", "[]", "one or more", _LEAVE_OUT)
        for level in self.levels or ():
            one_of("bench.levels", level, LEVELS)
        for precision in self.precisions or ():
            one_of("bench.precisions", precision, PRECISIONS)
        self._check_arms(plan)
        for shape in self.op_shapes or ():
            if len(shape) not in (4, 5) or min(shape) < 1:
                next_step = "Set bench.op_shapes=[[8,8,256,64]]."
                refuse("bench.op_shapes", shape, "[B,H,N,D] of numbers from 1 on", next_step)
        for key in ("imgsz", "inference_batches", "batches"):
            for value in getattr(self, key) or ():
                at_least(f"bench.{key}", value, 1, _LEAVE_OUT)
        at_least("bench.rounds", self.rounds, 2, "Set bench.rounds=10.")
        at_least("bench.time_limit_s", self.time_limit_s, 1, "Set bench.time_limit_s=240.")
        if not 0 <= self.margin < 1:
            refuse("bench.margin", self.margin, "a share from 0 to 1", "Set bench.margin=0.02.")

    def named_arms(self, plan: Plan) -> list[str]:
        """Those of bench.arms, and what `attention=` names."""
        return [*(self.arms or ()), *([plan.arm] if self.arms and names_attention(plan.job.overrides) else ())]

    @property
    def all_levels(self) -> list[str]:
        """The levels asked for, in the order in which they are measured."""
        asked = self.levels or (LEVELS if self.op_shapes is not None else LEVELS[:-1])
        return [level for level in LEVELS if level in asked]

    def _check_arms(self, plan: Plan) -> None:
        arms = self.arms or []
        for key, name in [("bench.arms", arm) for arm in arms] + [("attention", plan.attention.backend)]:
            check_backend_name(key, name, plan.attentions)
            if name == "auto":
                next_step = "Take it out: what is fastest here is what task=bench finds out."
                refuse(key, name, "attentions that can be timed, and auto is a choice among them", next_step)
            if arms.count(name) > 1:
                refuse("bench.arms", f"[{','.join(arms)}]", "each arm once", f"Take out one {name}.")

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.bench.work import bench

        bench(plan, event_log, outcome, started_perf_s=started_perf_s)
