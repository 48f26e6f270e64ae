"""The telemetry of a run: `telemetry.jsonl`, one JSON object per sample, appended by the parent beside the worker.

Every line has `time_unix_s`, `mono_s` (monotonic clock of the parent) and metrics with their unit in the name; a
value of null was not measured. `<uuid>/<metric>` is of the GPU with that UUID, as long as the run's own is not known.
A line whose reasons differ from those of the line before has `unavailable`: metric -> why it is null. Lines are
flushed, not synced: a power cut may cost the last seconds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TELEMETRY_FILE = "telemetry.jsonl"


def read_samples(run_dir: Path) -> list[dict[str, Any]]:
    """All complete samples of a run folder, oldest first; empty when nothing was sampled."""
    path = run_dir / TELEMETRY_FILE
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]
