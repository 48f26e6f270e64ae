"""The event log of a run: `events.jsonl`, one JSON object per line, flushed and synced, appended by the worker.

Every line has `seq` (from 0), `time_unix_s`, `mono_s` (monotonic clock of the worker) and `event`. Kinds:

| event          | further keys |
|---             |---|
| run_started    | plan_group_id, gpu_untouched_until_unix_s (imports are done, CUDA is not awake) |
| environment    | environment |
| phase          | name, wall_s, memory (peak_allocated_mib, peak_reserved_mib, peak_rss_mib); at its end |
| first_batch    | none; the first training batch is loaded |
| epoch          | epoch (from 1), epochs, metrics (losses, precision, recall, mAP50, ...), train_s, val_s |
| perturbation   | num_moved (by one ulp), num_values, seed; in A/A copies only |
| data_stream    | digest, num_batches |
| attestation    | summary |
| warning        | code, message |
| error          | error (class), message |
| run_finished   | status |
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EVENTS_FILE = "events.jsonl"


class EventLog:
    """Appends events; each line is on disk when `write` returns, so that a killed run keeps what it measured."""

    def __init__(self, run_dir: Path) -> None:
        self._file = (run_dir / EVENTS_FILE).open("a", encoding="utf-8")
        self._seq = 0

    def write(self, event: str, **values: Any) -> None:
        """Append one event.

        Raises:
            OSError: the disk is full or gone; the lines before stay readable.
        """
        line = {"seq": self._seq, "time_unix_s": time.time(), "mono_s": time.monotonic(), "event": event, **values}
        self._file.write(json.dumps(line, allow_nan=True) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._seq += 1

    def close(self) -> None:
        """Close the file; further writes are an error."""
        self._file.close()


def read_events(run_dir: Path) -> Iterator[dict[str, Any]]:
    """All complete events of a run folder; a half-written last line, as a kill leaves it, is left out."""
    path = run_dir / EVENTS_FILE
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


class EventTail:
    """Follows a event log that another process writes: each `poll` returns the complete events since the last."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / EVENTS_FILE
        self._offset = 0

    def poll(self) -> list[dict[str, Any]]:
        """New complete events, oldest first; empty while there is no event log yet."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        end = data.rfind(b"\n") + 1
        self._offset += end
        return [json.loads(line) for line in data[:end].splitlines()]
