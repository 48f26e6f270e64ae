"""What the terminal shows while runs go on: a live line or table on a screen, one line an epoch in a pipe."""

from __future__ import annotations

import time
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sdpa_exp.launch.sweep_table import Pace, SweepTable
from sdpa_exp.runs.files import PROGRESS_FILE, read_json
from sdpa_exp.runs.purposes import shown_metrics
from sdpa_exp.runs.record import Record
from sdpa_exp.runs.state import RunState
from sdpa_exp.runs.sweep import read_sweep
from sdpa_exp.tasks.status.table import clock, train_loss

_TRAINING = {
    "train_s": "train {:.1f} s",
    "images_per_s": "{:.1f} images/s",
    "peak_memory_mib": "peak {:.0f} MiB",
    "energy_j": "GPU {:.0f} J",
}
"""Metric -> how the closing line of a training shows it, behind its accuracies."""
_OF_A_SWEEP = frozenset({"data_set", "demo_recipe", "batch_norm_gradient", "math_chosen"})
"""Codes of warnings that are about the data, the recipe and the model, so that every run would repeat them."""


@cache
def said_in(sweep_dir: Path) -> set[str]:
    """What this process has said of a sweep so far; it begins with what the look before the first job has found."""
    warnings = read_sweep(sweep_dir).preflight.get("warnings", [])
    return {str(each).removeprefix("data set: ") for each in warnings}


class RunProgress:
    """Shows one run. On a terminal the newest state replaces itself; in a pipe finished epochs are printed.

    With `sweep` a terminal shows the run among the others of its sweep. What concerns a whole sweep, its data and its
    recipe, is not said again where it is in `said`.
    """

    def __init__(
        self, console: Console, title: str, sweep: SweepTable | None = None, said: set[str] | None = None
    ) -> None:
        self._said = said
        self._console = console
        self._title = title
        self._epoch_line = "starting"
        self._epoch: dict[str, Any] | None = None
        self._pace = Pace()
        self._sweep = sweep
        self._started_s = time.monotonic()
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        if self._live is not None:
            self._live.start()
        else:
            console.print(f"{title}: starting", highlight=False, soft_wrap=True)

    def event(self, event: dict[str, Any]) -> None:
        """Take in one event of the event log."""
        kind = event["event"]
        if kind == "epoch":
            self._epoch = event
            self._epoch_line = epoch_line(event)
            if self._live is None:
                self._print(f"{self._title}: {self._epoch_line}")
        elif kind == "progress":
            self._epoch_line = event["text"]
        elif kind == "announcement":
            self._say_once("", event["text"])
        elif kind == "warning" and event.get("code") in _OF_A_SWEEP:
            self._say_once("warning: ", event["message"])
        elif kind == "warning":
            self.note(f"{self._title}: warning: {event['message']}")

    def _say_once(self, what: str, text: str) -> None:
        if self._said is not None:
            if text in self._said:
                return
            self._said.add(text)
        self.note(f"{self._title}: {what}{text}")

    def refresh(self, run_dir: Path) -> None:
        """Show the live state that the worker writes about once a second."""
        if self._live is None:
            return
        progress = read_json(run_dir / PROGRESS_FILE)
        elapsed_s = time.monotonic() - self._started_s
        left_s = self._pace.left_s(progress, elapsed_s)
        if self._sweep is not None:
            now = RunState(status="running", epoch=self._epoch, progress=progress, left_s=left_s, elapsed_s=elapsed_s)
            self._live.update(self._sweep.render(now, self._console.height))
            return
        state = f"  {live_line(progress, left_s)}" if progress else ""
        text = Text.assemble((self._title, "bold"), f"  {self._epoch_line}{state}", overflow="ellipsis", no_wrap=True)
        self._live.update(text)

    def note(self, message: str) -> None:
        """Print a line that stays."""
        self._print(message)

    def finish(self, record: Record) -> None:
        """End the live line and say how the run went."""
        if self._live is not None:
            self._live.stop()
        self._print(f"{self._title}: {closing_line(record)}")

    def _print(self, message: str) -> None:
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)


def epoch_line(event: dict[str, Any]) -> str:
    """Epoch, loss, mAP and the epoch's time."""
    metrics, train_s = event["metrics"], event["train_s"] or 0.0
    shown = "  ".join(f"{name} {metrics.get(name, 0.0):.3f}" for name in shown_metrics(metrics))
    return f"epoch {event['epoch']}/{event['epochs']}  loss {train_loss(metrics):.3f}  {shown}  {train_s:.1f} s"


def live_line(progress: dict[str, Any], left_s: float | None) -> str:
    """Step of the running epoch, loss so far, and an estimate of the time left for the training steps."""
    step = f"{progress['step']}/{progress['steps']}"
    time_left = "" if left_s is None else f"  about {clock(left_s)} left"
    return f"| step {step}  loss {progress['loss']:.3f}{time_left}"


def closing_line(record: Record) -> str:
    """How a run ended, in one line; what was not measured says why."""
    if record.status != "FINISHED":
        return f"{record.status}: {record.reason}"
    shown = {name: f"{name} {{:.4g}}" for name in record.metrics}
    if record.task == "train":
        shown = {name: f"{name} {{:.3f}}" for name in shown_metrics(record.metrics)} | _TRAINING
    parts = [text.format(record.metrics[name]) for name, text in shown.items() if record.metrics.get(name) is not None]
    parts += [kernels_line(record)] if record.task == "train" else []
    why: dict[str, list[str]] = defaultdict(list)
    for name in shown:
        if record.metrics.get(name) is None and name != "energy_j":  # most machines have no counter
            why[record.unmeasured.get(name, "not measured")].append(name)
    parts += [f"(no {', '.join(names)}: {reason})" for reason, names in why.items()]
    return "finished: " + "  ".join(parts)


def kernels_line(record: Record) -> str:
    """The kernels that ran in training, from the attestation."""
    executed = (record.attestation or {}).get("executed", {})
    names = sorted({kernel for stage in ("train_forward", "train_backward") for kernel in executed.get(stage, {})})
    return f"ran {', '.join(names)}" if names else "kernels not attested"
