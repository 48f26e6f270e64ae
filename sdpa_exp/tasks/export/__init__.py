"""task=export: a trained model in another format, compared with its source, and what became of its attention."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Optional

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.refusing import at_least, multiple_of_32, one_of, refuse
from sdpa_exp.config.task import PATH, Task
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome

FORMATS: dict[str, tuple[str, ...]] = {
    "torchscript": (),
    "onnx": ("onnx", "onnxslim", "onnxruntime"),
    "openvino": ("openvino",),
    "ncnn": ("ncnn", "pnnx"),
}
"""Format -> the packages that making and running it takes; these are in the extra `export`."""
NEVER_RUN: dict[str, tuple[str, ...]] = {
    "engine": ("tensorrt", "onnx", "onnxslim"),
    "coreml": ("coremltools",),
    "coreai": ("coreai_torch",),
    "saved_model": ("tensorflow",),
    "pb": ("tensorflow",),
    "edgetpu": ("tensorflow",),
    "litert": ("litert_torch", "ai_edge_litert"),
    "paddle": ("paddle", "x2paddle"),
    "mnn": ("MNN", "onnx", "onnxslim"),
    "imx": ("model_compression_toolkit",),
    "rknn": ("rknn",),
    "executorch": ("executorch",),
    "axelera": ("axelera",),
    "deepx": ("dx_com", "onnx", "onnxslim"),
    "qnn": ("onnxruntime", "onnx", "onnxslim"),
    "hailo": ("hailo_sdk_client", "onnx", "onnxslim"),
    "ascend": ("onnx", "onnxslim"),
    "xilinx": ("onnx", "onnxslim"),
}
"""Ultralytics' other formats, with the modules that are looked for; what else they take, Ultralytics says."""


@dataclass
class Export(Task):
    """What is exported, to what, and what it is compared on."""

    weights: Optional[str] = field(default=None, metadata=PATH)  # noqa: UP045 - OmegaConf reads it at run time
    format: str = field(default="onnx", metadata={"choices": (*FORMATS, *NEVER_RUN)})
    imgsz: Optional[int] = None  # noqa: UP045
    half: bool = False
    dynamic: bool = False
    opset: Optional[int] = None  # noqa: UP045
    source: Optional[str] = field(default=None, metadata=PATH)  # noqa: UP045
    num_images: int = 16
    beside_stock: bool = True
    num_batches: int = 100
    time_limit_s: float = 30.0

    is_timed: ClassVar[bool] = False
    needs_arm: ClassVar[bool] = False  # it exports in fp32, whatever the precision of a training

    def check(self, plan: Plan) -> None:
        """Weights that are named, a format that is known and whose packages are here, and numbers in their range."""
        if not (self.weights or plan.model.weights):
            raise ConfigError(
                "export.weights is missing: fresh weights are of no use elsewhere, and a trained model is expected. "
                "Set export.weights=path/to/best.pt."
            )
        one_of("export.format", self.format, (*FORMATS, *NEVER_RUN))
        self._check_packages()
        if self.imgsz is not None:
            multiple_of_32("export.imgsz", self.imgsz)
        if self.source and not Path(self.source).exists():
            next_step = "Check the path; relative ones are taken from the current folder."
            refuse("export.source", self.source, "an image, a folder or a video that exists", next_step)
        at_least("export.num_images", self.num_images, 1, "Set export.num_images=16.")
        at_least("export.num_batches", self.num_batches, 1, "Set export.num_batches=100.")
        at_least("export.time_limit_s", self.time_limit_s, 1, "Set export.time_limit_s=30.")
        if self.opset is not None and self.format != "onnx":
            refuse("export.opset", self.opset, "null with another format than onnx", "Take export.opset out.")
        if self.half and self.format == "torchscript" and plan.hardware.device == "cpu":
            refuse("export.half", "true", "false, since TorchScript has fp16 on a GPU alone", "Take export.half out.")

    def _check_packages(self) -> None:
        missing = [name for name in {**NEVER_RUN, **FORMATS}[self.format] if find_spec(name) is None]
        if not missing:
            return
        how = (
            "Run pip install -e '.[export]' in the clone"
            if self.format in FORMATS
            else f"Install {' and '.join(missing)}"
        )
        raise ConfigError(
            f"export.format={self.format} takes {', '.join(missing)}, which this Python has not: expected the packages "
            f"of that format. {how}, or set export.format=torchscript, which takes none."
        )

    def run(self, plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
        """See work.py."""
        from sdpa_exp.tasks.export.work import export

        export(plan, event_log, outcome, started_perf_s=started_perf_s)
