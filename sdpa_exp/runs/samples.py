"""The telemetry of a run: `telemetry.jsonl`, one JSON object per sample, appended by the parent beside the worker.

Every line has `time_unix_s`, `mono_s` (monotonic clock of the parent) and metrics with their unit in the name; a
value of null was not measured. `<uuid>/<metric>` is of the GPU with that UUID, as long as the run's own is not known.
A line whose reasons differ from those of the line before has `unavailable`: metric -> why it is null. Lines are
flushed, not synced: a power cut may cost the last seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdpa_exp.runs.files import TELEMETRY_FILE
from sdpa_exp.runs.json_lines import LineWriter, read_lines


def open_samples(run_dir: Path) -> LineWriter:
    """The file to append samples to.

    Raises:
        OSError: it can't be written.
    """
    return LineWriter(run_dir / TELEMETRY_FILE, sync=False)


def read_samples(run_dir: Path) -> list[dict[str, Any]]:
    """All complete samples of a run folder, oldest first; empty when nothing was sampled."""
    return [line.content for line in read_lines(run_dir / TELEMETRY_FILE)]
