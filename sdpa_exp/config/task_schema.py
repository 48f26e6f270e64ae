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
class SetupTrialConfig:
    """Which implementations task=setup_trial tries to get, and how long it waits for each."""

    implementations: list[str] = field(default_factory=lambda: ["pytorch", "flash_attn"])
    time_limit_s: float = 600.0


@dataclass
class SyncConfig:
    """What task=sync sends to the tracking store."""

    folder: str = "multirun"
    resend: bool = False


TASK_BLOCKS: dict[str, type] = {
    "doctor": DoctorConfig,
    "verify": VerifyConfig,
    "setup_trial": SetupTrialConfig,
    "sync": SyncConfig,
}
"""Task -> its options. They belong to the cell of that task's runs, and say nothing about the others."""
