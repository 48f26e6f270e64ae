"""The keys that take one of a few words, and which: what is refused beside them, and what `--help` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from sdpa_exp.config.datasets import ON_BAD
from sdpa_exp.config.refusing import PRECISIONS
from sdpa_exp.config.task import Task

DETERMINISM = ("default", "strict")
ON_OOM = ("fail", "repeat", "exclude")
ON_NAN = ("fail", "continue")
CACHES = ("none", "ram", "disk")
MARGIN_KINDS = ("absolute", "relative")
CONTROLS = ("aa",)
SPEEDS = ("interleaved", "trainings")
SPLITS = ("train", "val", "test")
TRACKERS = ("mlflow", "none")
OUTPUTS = ("text", "json")
RESTART, CONTINUE = "restart", "continue"
KEEP, REPEAT = "keep", "repeat"
# Source: ultralytics/engine/trainer.py build_optimizer, 8.4.190; it compares without regard to case.
OPTIMIZERS = ("Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD", "MuSGD", "auto")

CHOICES: dict[str, Sequence[str]] = {
    "determinism": DETERMINISM,
    "on_oom": ON_OOM,
    "on_nan": ON_NAN,
    "output": OUTPUTS,
    "resume_mode": (RESTART, CONTINUE),
    "resume_changed": (KEEP, REPEAT),
    "hardware.cache": CACHES,
    "hardware.precision": PRECISIONS,
    "dataset.on_bad": ON_BAD,
    "train.split": SPLITS,
    "train.optimizer": OPTIMIZERS,
    "tracking.kind": TRACKERS,
    "compare.control": CONTROLS,
    "compare.speed": SPEEDS,
    **{f"compare.primary.{name}.margin_kind": MARGIN_KINDS for name in ("accuracy", "speed", "memory")},
}


def choices_of_task(cls: type[Task], option: str) -> Sequence[str]:
    """The words that an option of a task takes; none where it takes others."""
    return next((each.metadata.get("choices", ()) for each in fields(cls) if each.name == option), ())
