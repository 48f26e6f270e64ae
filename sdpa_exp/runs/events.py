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
| not_finite     | epoch, step, loss, layer, how; a batch whose loss is not finite, or diverges |
| attestation    | summary |
| announcement   | text; what is coming, for the screen |
| warning        | code, message |
| error          | error (class), message |
| run_finished   | status |
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sdpa_exp.runs.files import EVENTS_FILE
from sdpa_exp.runs.json_lines import LineWriter, read_lines


class EventLog:
    """Appends events; each line is on disk when `write` returns, so that a killed run keeps what it measured."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / EVENTS_FILE
        self._writer = LineWriter(self._path, sync=True)
        self._seq = 0

    def write(self, event: str, **values: Any) -> None:
        """Append one event.

        Raises:
            OSError: the disk is full or gone; the lines before stay readable.
        """
        now = {"time_unix_s": time.time(), "mono_s": time.monotonic()}
        try:
            self._writer.write({"seq": self._seq, **now, "event": event, **values})
            self._seq += 1
        except BaseException:  # a signal may end this between the two: what is in the file counts
            self._seq = len(read_lines(self._path))
            raise

    def close(self) -> None:
        """Close the file; further writes are an error."""
        self._writer.close()


def read_events(run_dir: Path) -> list[dict[str, Any]]:
    """All complete events of a run folder, oldest first; a half-written last line, as a kill leaves it, is left out."""
    return [line.content for line in read_lines(run_dir / EVENTS_FILE)]


class EventTail:
    """Follows an event log that another process writes: each `poll` returns the complete events since the last."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / EVENTS_FILE
        self._offset = 0

    def poll(self) -> list[dict[str, Any]]:
        """New complete events, oldest first; empty while there is no event log yet."""
        lines = read_lines(self._path, self._offset)
        if lines:
            self._offset = lines[-1].end_offset
        return [line.content for line in lines]
