"""The table of a sweep's runs that a terminal shows while one of them goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdpa_exp.runs.state import RunState, read_state
from sdpa_exp.runs.sweep import read_sweep
from sdpa_exp.tasks.status.table import how_far, run_table, summary

if TYPE_CHECKING:
    from rich.table import Table

_OTHER_LINES = 8  # of a screen: the table's head and end, and what was said before


class SweepTable:
    """Reads once what other runs of the sweep came to, and shows them around the one that goes on."""

    def __init__(self, sweep_dir: Path, run_dir: Path) -> None:
        jobs = read_sweep(sweep_dir).jobs
        self._titles = [job.title for job in jobs]
        self._place = next((i for i, job in enumerate(jobs) if job.run_dir == run_dir), 0)
        self._states = [read_state(job.run_dir) for job in jobs]

    def render(self, state: RunState, height: int) -> Table:
        """As many runs as a screen of that height (lines) has room for, the time that is left below them."""
        self._states[self._place] = state
        num_rows = max(3, height - _OTHER_LINES)
        first = min(max(0, self._place - num_rows // 2), max(0, len(self._states) - num_rows))
        table = run_table(self._states)
        table.caption = summary(self._states)
        for place in range(first, min(first + num_rows, len(self._states))):
            other = self._states[place]
            style = "bold" if place == self._place else "dim" if other.record is None else ""
            table.add_row(self._titles[place], *how_far(other), style=style)
        return table


class Pace:
    """How fast the steps of a run go by, from the first one that was seen on: before it, the run starts up."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._last = (0.0, 0)

    def left_s(self, progress: dict[str, Any] | None, elapsed_s: float) -> float | None:
        """An estimate for the steps that are left, the validations between them included; None where none can be."""
        if not progress:
            return None
        steps: int = progress["steps"]
        done = (progress["epoch"] - 1) * steps + progress["step"]
        if self._first is None:
            self._first = self._last = (elapsed_s, done)
        if done != self._last[1]:
            self._last = (elapsed_s, done)
        (first_s, first), (last_s, last) = self._first, self._last
        if last <= first:
            return None
        left = (last_s - first_s) / (last - first) * (float(progress["epochs"]) * steps - last)
        return max(0.0, left - (elapsed_s - last_s))
