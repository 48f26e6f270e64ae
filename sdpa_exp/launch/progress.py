"""What the terminal shows while runs go on: a live line on a screen, one line an epoch in a pipe."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from sdpa_exp.runs.files import PROGRESS_FILE, read_json
from sdpa_exp.runs.record import Record


class RunProgress:
    """Shows one run. On a terminal the newest state replaces itself; in a pipe finished epochs are printed."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._epoch_line = "starting"
        self._step_line = ""
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
            self._epoch_line = epoch_line(event)
            if self._live is None:
                self._print(f"{self._title}: {self._epoch_line}")
        elif kind == "progress":
            self._epoch_line = event["text"]
        elif kind == "announcement":
            self.note(f"{self._title}: {event['text']}")
        elif kind == "warning":
            self.note(f"{self._title}: warning: {event['message']}")

    def refresh(self, run_dir: Path) -> None:
        """Show the live state that the worker writes about once a second."""
        if self._live is None:
            return
        progress = read_json(run_dir / PROGRESS_FILE)
        state = f"  {live_line(progress, time.monotonic() - self._started_s)}" if progress else ""
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
    metrics = event["metrics"]
    loss = sum(value for name, value in metrics.items() if name.startswith("train/"))
    return (
        f"epoch {event['epoch']}/{event['epochs']}  loss {loss:.3f}  mAP50 {metrics.get('mAP50', 0.0):.3f}  "
        f"mAP50-95 {metrics.get('mAP50-95', 0.0):.3f}  {event['train_s'] or 0.0:.1f} s"
    )


def live_line(progress: dict[str, Any], elapsed_s: float) -> str:
    """Step of the running epoch, loss so far, and an estimate of the time left for the training steps."""
    steps = progress["steps"]
    done = (progress["epoch"] - 1) * steps + progress["step"]
    total = progress["epochs"] * steps
    left_s = elapsed_s / done * (total - done) if done else 0.0
    minutes, seconds = divmod(round(left_s), 60)
    return f"| step {progress['step']}/{steps}  loss {progress['loss']:.3f}  about {minutes}:{seconds:02d} left"


def closing_line(record: Record) -> str:
    """How a run ended, in one line."""
    if record.status != "FINISHED":
        return f"{record.status}: {record.reason}"
    metrics = record.metrics
    if record.task != "train":
        return "  ".join(["finished:", *(f"{name} {_number(value, '.4g')}" for name, value in metrics.items())])
    parts = [
        f"mAP50 {_number(metrics.get('mAP50'), '.3f')}",
        f"mAP50-95 {_number(metrics.get('mAP50-95'), '.3f')}",
        f"train {_number(metrics.get('train_s'), '.1f')} s",
        f"{_number(metrics.get('images_per_s'), '.1f')} images/s",
        f"peak {_number(metrics.get('peak_memory_mib'), '.0f')} MiB",
    ]
    if metrics.get("energy_j") is not None:
        parts.append(f"GPU {_number(metrics['energy_j'], '.0f')} J")
    return "finished: " + "  ".join(parts) + f"  {kernels_line(record)}"


def kernels_line(record: Record) -> str:
    """The kernels that ran in training, from the attestation."""
    executed = (record.attestation or {}).get("executed", {})
    names = sorted({kernel for stage in ("train_forward", "train_backward") for kernel in executed.get(stage, {})})
    return f"ran {', '.join(names)}" if names else "kernels not attested"


def _number(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)
