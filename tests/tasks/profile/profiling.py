"""A tiny real training under task=profile."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.profile import work as task
from sdpa_exp.tasks.profile.attribution import Breakdown, attribute
from tests.tasks.in_process import run_task

TINY = (
    "task=profile",
    "hardware=cpu",
    "hardware.batch=2",
    "hardware.num_threads=1",
    "dataset.num_train_images=24",
    "dataset.num_val_images=2",
    "dataset.image_px=96",
    "train.imgsz=96",
    "train.nbs=2",
    "profile.warmup_steps=1",
    "profile.num_pairs=2",
    "profile.num_steps=2",
)


@dataclass(frozen=True, kw_only=True)
class Profiled:
    """A run of the task, and the arguments that its events were attributed with."""

    outcome: Outcome
    content: dict[str, Any]
    breakdown: Breakdown
    events: Any
    arguments: dict[str, Any]
    folder: Path


def profiled(folder: Path, *overrides: str) -> Profiled:
    """Run task=profile in this process."""
    kept: dict[str, Any] = {}

    def keep(events: Any, **arguments: Any) -> Breakdown:
        kept["events"], kept["arguments"] = events, arguments
        kept["breakdown"] = attribute(kept["events"], **arguments)
        return kept["breakdown"]  # type: ignore[no-any-return]

    with mock.patch.object(task, "attribute", keep):
        outcome, _ = run_task(task.profile, folder, *TINY, *overrides)
    content = json.loads((folder / task.PROFILE_FILE).read_text())
    return Profiled(outcome=outcome, content=content, folder=folder, **kept)
