"""task=latency: inference latency and throughput of arms, interleaved in one process on real images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Optional

from sdpa_exp.config.attentions import check_backend_name, names_attention
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import at_least, multiple_of_32, one_of, refuse
from sdpa_exp.config.task import PATH, Task
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome

PRECISIONS = ("fp32", "fp16")  # Ultralytics' predictor has no bf16


@dataclass
class Latency(Task):
    """What is timed, on which images, and for how long."""

    weights: Optional[str] = field(default=None, metadata=PATH)  # noqa: UP045 - OmegaConf reads it at run time
    source: Optional[str] = field(default=None, metadata=PATH)  # noqa: UP045
    num_images: int = 64
    arms: Optional[list[str]] = None  # noqa: UP045
    batches: list[int] = field(default_factory=lambda: [1, 8])
    imgsz: Optional[int] = None  # noqa: UP045
    precisions: Optional[list[str]] = field(default=None, metadata={"choices": PRECISIONS})  # noqa: UP045
    channels_last: Optional[list[bool]] = None  # noqa: UP045
    conf: float = 0.25
    nms: Optional[bool] = None  # noqa: UP045
    num_batches: int = 100
    time_limit_s: float = 40.0

    needs_arm: ClassVar[bool] = False  # it has precisions of its own
    purposes: ClassVar[tuple[str, ...] | None] = ("detect",)

    def check(self, plan: Plan) -> None:
        """Files that are there, numbers, names of arms, and what Ultralytics' predictor can do."""
        for key, wanted in (("weights", "a checkpoint"), ("source", "an image, a folder or a video")):
            value = getattr(self, key)
            if value and not Path(value).exists():
                next_step = "Check the path; relative ones are taken from the current folder."
                refuse(f"latency.{key}", value, f"{wanted} that exists", next_step)
        at_least("latency.num_images", self.num_images, 1, "Set latency.num_images=64.")
        at_least("latency.num_batches", self.num_batches, 1, "Set latency.num_batches=100.")
        at_least("latency.time_limit_s", self.time_limit_s, 1, "Set latency.time_limit_s=40.")
        for key in ("batches", "precisions", "channels_last"):
            if getattr(self, key) == []:
                refuse(f"latency.{key}", "[]", "one or more values", f"Leave latency.{key} out for its default.")
        for batch in self.batches:
            at_least("latency.batches", batch, 1, "Set latency.batches=[1,8].")
        for precision in self.precisions or ():
            one_of("latency.precisions", precision, PRECISIONS)
        for arm in self.arms or ():
            check_backend_name("latency.arms", arm, plan.attentions)
        self._check_predictor()

    def named_arms(self, plan: Plan) -> list[str]:
        """Those of latency.arms, and what `attention=` names."""
        return [*(self.arms or ()), *([plan.arm] if not self.arms or names_attention(plan.job.overrides) else ())]

    def reads_data(self, plan: Plan) -> bool:
        """Where no other images are given."""
        return not self.source

    def _check_predictor(self) -> None:
        if self.imgsz is not None:
            multiple_of_32("latency.imgsz", self.imgsz)
        if not 0 <= self.conf < 1:
            refuse("latency.conf", self.conf, "a confidence from 0 to below 1", "Set latency.conf=0.25.")
        if self.nms is True:
            next_step = "Set latency.nms=null for NMS outside the model, false for a head without it."
            refuse("latency.nms", "true", "null or false, as only exported models hold an NMS", next_step)

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.latency.work import measure_latency

        measure_latency(plan, event_log, outcome, started_perf_s=started_perf_s)
