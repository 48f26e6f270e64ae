"""The typed options of single tasks: one block a task, in conf/config.yaml under the task's name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional


@dataclass
class DoctorConfig:
    """How task=doctor looks at the machine."""

    network: bool = True
    time_limit_s: float = 60.0


@dataclass
class VerifyConfig:
    """What task=verify compares, and how strictly."""

    weights: Optional[str] = None  # noqa: UP045
    precisions: Optional[list[str]] = None  # noqa: UP045
    num_images: int = 4
    max_ratio: float = 2.0


@dataclass
class PredictConfig:
    """What task=predict times, on which images, and for how long."""

    weights: Optional[str] = None  # noqa: UP045
    source: Optional[str] = None  # noqa: UP045
    num_images: int = 64
    arms: Optional[list[str]] = None  # noqa: UP045
    batches: list[int] = field(default_factory=lambda: [1, 8])
    imgsz: Optional[int] = None  # noqa: UP045
    precisions: Optional[list[str]] = None  # noqa: UP045
    channels_last: Optional[list[bool]] = None  # noqa: UP045
    conf: float = 0.25
    nms: Optional[bool] = None  # noqa: UP045
    num_batches: int = 100
    time_limit_s: float = 40.0
    save: bool = False


@dataclass
class ProfileConfig:
    """How many steps task=profile takes for what."""

    warmup_steps: int = 4
    num_pairs: int = 6
    num_steps: int = 3
    trace: bool = True


@dataclass
class SetupTrialConfig:
    """Which implementations task=setup_trial tries to get, and how long it waits for each."""

    implementations: list[str] = field(default_factory=lambda: ["pytorch", "flash_attn"])
    time_limit_s: float = 600.0


@dataclass
class SyncConfig:
    """What task=sync sends to the tracking store."""

    folder: str = "multirun"
    resend: bool = False


@dataclass
class BenchConfig:
    """What task=bench times, and for how long."""

    arms: Optional[list[str]] = None  # noqa: UP045
    levels: list[str] = field(default_factory=lambda: ["op", "module", "inference", "step"])
    op_shapes: Optional[list[list[int]]] = None  # noqa: UP045
    imgsz: list[int] = field(default_factory=lambda: [640])
    batches: Optional[list[int]] = None  # noqa: UP045
    inference_batches: list[int] = field(default_factory=lambda: [1])
    precisions: Optional[list[str]] = None  # noqa: UP045
    rounds: int = 10
    time_limit_s: float = 170.0
    decide: bool = False
    margin: float = 0.02


TASK_BLOCKS: dict[str, type] = {
    "bench": BenchConfig,
    "doctor": DoctorConfig,
    "verify": VerifyConfig,
    "predict": PredictConfig,
    "profile": ProfileConfig,
    "setup_trial": SetupTrialConfig,
    "sync": SyncConfig,
}
"""Task -> its options. They belong to the comparison group of that task's runs, and say nothing about the others."""
