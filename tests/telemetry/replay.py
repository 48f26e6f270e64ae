"""A probe that replays a recorded trace, so that what reads telemetry can be tested without the hardware."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ReplayProbe:
    """Gives the samples of a trace one by one; after the last, every metric is None.

    The trace is JSON lines as `telemetry.jsonl` has them; lines without `time_unix_s` are remarks and skipped.
    """

    def __init__(self, path: Path) -> None:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        self._samples = [line for line in lines if "time_unix_s" in line]
        self._names = {
            name for sample in self._samples for name in sample if name not in ("time_unix_s", "mono_s", "unavailable")
        }
        self._next = 0
        self._reasons: dict[str, str] = {}

    def read(self) -> dict[str, float | None]:
        """The next sample of the trace."""
        if self._next >= len(self._samples):
            self._reasons = dict.fromkeys(self._names, "the trace has ended")
            return dict.fromkeys(self._names)
        sample = self._samples[self._next]
        self._next += 1
        self._reasons.update(sample.get("unavailable", {}))
        values = {name: sample.get(name) for name in self._names}
        self._reasons = {name: reason for name, reason in self._reasons.items() if values.get(name) is None}
        return values

    def unavailable(self) -> dict[str, str]:
        """The reasons recorded in the trace for the metrics that are None now."""
        return dict(self._reasons)

    def close(self) -> None:
        """Nothing is held."""
