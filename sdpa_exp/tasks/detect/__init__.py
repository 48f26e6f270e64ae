"""task=detect: objects in images, videos, cameras and streams, with an arm that is injected and attested."""

from __future__ import annotations

import glob
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Optional
from urllib.parse import urlsplit

from sdpa_exp.config.attentions import check_backend_name
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import at_least, multiple_of_32, one_of, refuse
from sdpa_exp.config.task import PATH, Task
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome

KINDS = ("images", "csv", "txt", "coco")
_STREAMS = ("rtsp://", "rtmp://", "tcp://")


@dataclass
class Detect(Task):
    """What looks, at what, and what is kept."""

    weights: Optional[str] = field(default=None, metadata=PATH)  # noqa: UP045 - OmegaConf reads it at run time
    source: Optional[str] = field(default=None, metadata=PATH)  # noqa: UP045
    imgsz: Optional[int] = None  # noqa: UP045
    conf: float = 0.25
    iou: float = 0.7
    batch: int = 1
    every: int = 1
    num_frames: Optional[int] = None  # noqa: UP045
    other_weights: Optional[str] = field(default=None, metadata=PATH)  # noqa: UP045
    other_arm: Optional[str] = None  # noqa: UP045
    save: list[str] = field(default_factory=lambda: ["images", "csv"], metadata={"choices": KINDS})

    needs_arm: ClassVar[bool] = False  # its precisions are those of Ultralytics' predictor

    @property
    def is_live(self) -> bool:
        """Whether the source has no end: a camera, or a stream. An address that ends as a file does is downloaded."""
        source = self.source or ""
        kind = mimetypes.guess_type(urlsplit(source).path)[0] or ""
        is_stream = "://" in source and not kind.startswith(("image/", "video/"))
        return source.isdecimal() or is_stream or source.startswith(_STREAMS) or source.endswith(".streams")

    def check(self, plan: Plan) -> None:
        """Weights that are named, a source that is there, and numbers in their range."""
        if not (self.weights or plan.model.weights):
            raise ConfigError(
                "detect.weights is missing: fresh weights detect noise, and a trained model is expected. Set "
                "detect.weights=path/to/best.pt."
            )
        self._check_source()
        for key in ("batch", "every"):
            at_least(f"detect.{key}", getattr(self, key), 1, f"Set detect.{key}=1.")
        if self.num_frames is not None:
            at_least("detect.num_frames", self.num_frames, 1, "Leave detect.num_frames out for all of them.")
        if self.imgsz is not None:
            multiple_of_32("detect.imgsz", self.imgsz)
        for key, default in (("conf", 0.25), ("iou", 0.7)):
            if not 0 <= getattr(self, key) <= 1:
                refuse(f"detect.{key}", getattr(self, key), "a number from 0 to 1", f"Set detect.{key}={default}.")
        for kind in self.save:
            one_of("detect.save", kind, KINDS)
        if self.other_arm is not None:
            check_backend_name("detect.other_arm", self.other_arm, plan.attentions)
            if self.other_weights is None and self.other_arm == plan.arm:
                expected = f"another attention than attention={plan.arm}, since nothing else differs"
                refuse("detect.other_arm", self.other_arm, expected, "Set detect.other_arm=stock, or leave it out.")

    def _check_source(self) -> None:
        source = self.source
        if self.is_live and self.num_frames is None:
            raise ConfigError(
                f"detect.source={source} has no end: expected the number of frames to look at. Set "
                "detect.num_frames=300, or end it earlier with Ctrl-C, which keeps what was found."
            )
        if source is None or self.is_live or "://" in source or Path(source).exists() or glob.glob(source):
            return
        next_step = "Check the path; relative ones are taken from the current folder, and a glob is quoted."
        refuse("detect.source", source, "an image, a folder, a video or a glob that exists", next_step)

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.detect.work import detect

        detect(plan, event_log, outcome, started_perf_s=started_perf_s)
