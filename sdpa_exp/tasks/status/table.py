"""Rows of a table of runs: how far each is, and the time that is left for all; on a live screen and for task=status."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rich.table import Table

from sdpa_exp.runs.purposes import shown_metrics
from sdpa_exp.runs.state import RunState

_TO_COME = ("running", "waiting")


def run_table(states: Sequence[RunState], *more: str) -> Table:
    """An empty table for the rows that `how_far` makes, between a column for the run and more of the caller's."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", caption_justify="left")
    known = [metrics_of(state) for state in states if metrics_of(state)]
    for name in ("run", "epoch", "loss", *shown_metrics(known[0] if known else ()), "time", *more):
        left = name in ("run", "time", *more)
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    return table


def how_far(state: RunState) -> list[str]:
    """Epoch, loss and two accuracies of a run, and its time."""
    if state.status not in ("running", "finished"):
        ended = {"lost": "no result"}
        return ["", "", "", "", ended.get(state.status, state.status)]
    metrics = metrics_of(state)
    accuracy = [metrics.get(name) for name in shown_metrics(metrics)]
    shown = ["" if value is None else f"{value:.3f}" for value in accuracy]
    epoch, progress = state.epoch, state.progress
    steps = (
        ["", ""] if epoch is None else [f"{epoch['epoch']}/{epoch['epochs']}", f"{train_loss(epoch['metrics']):.3f}"]
    )
    if state.status == "finished":
        return [*steps, *shown, "" if state.elapsed_s is None else clock(state.elapsed_s)]
    if epoch is not None and epoch["epoch"] == epoch["epochs"]:
        return [*steps, *shown, "last checks"]
    if progress is None:
        return [*steps, *shown, "starting" if epoch is None else ""]
    time_left = "training" if state.left_s is None else f"about {clock(state.left_s)} left"
    step = f"{progress['epoch']}/{progress['epochs']} step {progress['step']}/{progress['steps']}"
    return [step, f"{progress['loss']:.3f}", *shown, time_left]


def summary(states: Sequence[RunState]) -> str:
    """How many runs have ended, and an estimate for the rest."""
    num_done, left_s = sum(state.status not in _TO_COME for state in states), left_of_all_s(states)
    time_left = "" if left_s is None else f", about {clock(left_s)} left for all runs"
    return f"{num_done} of {len(states)} runs ended{time_left}"


def left_of_all_s(states: Sequence[RunState]) -> float | None:
    """An estimate in seconds, by the runs that finished or by one that goes on; None where none can be made."""
    running = [state for state in states if state.status == "running"]
    num_waiting = sum(state.status == "waiting" for state in states)
    walls = [state.elapsed_s for state in states if state.status == "finished" and state.elapsed_s is not None]
    known = [state for state in running if state.left_s is not None]
    one_s = fmean(walls) if walls else _whole_s(known[0]) if known else None
    if not running or one_s is None:
        return None
    now_s = [max(0.0, one_s - (s.elapsed_s or 0.0)) if s.left_s is None else s.left_s for s in running]
    return (sum(now_s) + num_waiting * one_s) / len(running)


def train_loss(metrics: dict[str, float]) -> float:
    """The sum of an epoch's training losses."""
    return sum(value for name, value in metrics.items() if name.startswith("train/"))


def clock(seconds: float) -> str:
    """`1:05` for minutes and seconds, `2:03:10` with hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _whole_s(state: RunState) -> float:
    return (state.elapsed_s or 0.0) + (state.left_s or 0.0)


def metrics_of(state: RunState) -> dict[str, Any]:
    """Of the run's end, else of its last epoch."""
    if state.record is not None:
        return state.record.metrics
    return state.epoch["metrics"] if state.epoch else {}
