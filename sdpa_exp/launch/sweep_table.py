"""The table of a sweep's runs that a terminal shows while one of them goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.table import Table

from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import RESULT_FILE
from sdpa_exp.runs.purposes import shown_metrics
from sdpa_exp.runs.record import Record, read_record_if_any
from sdpa_exp.runs.sweep import Sweep, SweepJob, read_sweep

_OTHER_LINES = 8  # of a screen: the table's head and end, and what was said before


@dataclass(frozen=True, kw_only=True)
class RunState:
    """What is known of the run that goes on.

    Attributes:
        epoch: its last whole epoch, an event of the event log; None before.
        progress: step, epoch and loss of this moment; None before the first step.
        left_s: an estimate for the rest of its training steps; None before two steps are done.
        elapsed_s: since it was started.
    """

    epoch: dict[str, Any] | None
    progress: dict[str, Any] | None
    left_s: float | None
    elapsed_s: float


class SweepTable:
    """Reads once what other runs of the sweep came to, and shows them around the one that goes on."""

    def __init__(self, sweep_dir: Path, run_dir: Path) -> None:
        self._sweep: Sweep = read_sweep(sweep_dir)
        self._place = next((i for i, job in enumerate(self._sweep.jobs) if job.run_dir == run_dir), None)
        self._records = {
            job.num: read_record_if_any(job.run_dir)
            for i, job in enumerate(self._sweep.jobs)
            if i != self._place and (job.run_dir / RESULT_FILE).exists()
        }

    def render(self, state: RunState, height: int) -> Table:
        """As many runs as a screen of that height (lines) has room for, the time that is left below them."""
        jobs = self._sweep.jobs
        num_rows = max(3, height - _OTHER_LINES)
        first = min(max(0, (self._place or 0) - num_rows // 2), max(0, len(jobs) - num_rows))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", caption_justify="left")
        table.caption = self._summary(state)
        known = [record.metrics for record in self._records.values() if record is not None and record.metrics]
        accuracies = shown_metrics(state.epoch["metrics"] if state.epoch else known[0] if known else ())
        for name in ("run", "epoch", "loss", *accuracies, "time"):
            table.add_column(name, justify="left" if name in ("run", "time") else "right", no_wrap=True)
        for place, job in enumerate(jobs[first : first + num_rows], start=first):
            is_now = place == self._place
            style = "bold" if is_now else "" if self._records.get(job.num) else "dim"
            table.add_row(job.title, *(_running(state) if is_now else self._other(job)), style=style)
        return table

    def _other(self, job: SweepJob) -> list[str]:
        record = self._records.get(job.num)
        if record is None:
            return ["", "", "", "", "waiting"]
        if record.status != "FINISHED":
            return ["", "", "", "", record.status.lower()]
        last = next((e for e in reversed(read_events(job.run_dir)) if e["event"] == "epoch"), None)
        shown = _of_epoch(last, record.metrics)
        return [*shown, clock(_wall_s(record))]

    def _summary(self, state: RunState) -> str:
        total, done = len(self._sweep.jobs), len(self._records)
        walls = [_wall_s(r) for r in self._records.values() if r is not None and r.status == "FINISHED"]
        left_s = None
        if walls:
            now_s = state.left_s if state.left_s is not None else max(0.0, fmean(walls) - state.elapsed_s)
            left_s = now_s + (total - done - 1) * fmean(walls)
        elif state.left_s is not None:
            left_s = state.left_s + (total - done - 1) * (state.elapsed_s + state.left_s)
        time_left = "" if left_s is None else f", about {clock(left_s)} left for all runs"
        return f"{done} of {total} runs done{time_left}"


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


def _running(state: RunState) -> list[str]:
    progress, epoch = state.progress, state.epoch
    shown = _of_epoch(epoch, {} if epoch is None else epoch["metrics"])
    if epoch is not None and epoch["epoch"] == epoch["epochs"]:
        return [*shown, "last checks"]
    if progress is None:
        return [*shown, "starting" if epoch is None else ""]
    time_left = "training" if state.left_s is None else f"about {clock(state.left_s)} left"
    step = f"{progress['epoch']}/{progress['epochs']} step {progress['step']}/{progress['steps']}"
    return [step, f"{progress['loss']:.3f}", *shown[2:], time_left]


def _of_epoch(event: dict[str, Any] | None, metrics: dict[str, Any]) -> list[str]:
    """Epoch, loss and the two accuracies; empty where a task has none."""
    accuracy = [metrics.get(name) for name in shown_metrics(metrics)]
    shown = ["" if value is None else f"{value:.3f}" for value in accuracy]
    if event is None:
        return ["", "", *shown]
    return [f"{event['epoch']}/{event['epochs']}", f"{train_loss(event['metrics']):.3f}", *shown]


def train_loss(metrics: dict[str, float]) -> float:
    """The sum of an epoch's training losses."""
    return sum(value for name, value in metrics.items() if name.startswith("train/"))


def _wall_s(record: Record) -> float:
    started, ended = (datetime.fromisoformat(text) for text in (record.started_at, record.ended_at))
    return (ended - started).total_seconds()


def clock(seconds: float) -> str:
    """`1:05` for minutes and seconds, `2:03:10` with hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
