"""Writes epochs into the event log, and the live progress into `progress.json`, which the parent shows."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from sdpa_exp.callbacks.attach import Callbacks
from sdpa_exp.callbacks.phases import PhaseClock
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import PROGRESS_FILE
from sdpa_exp.runs.metrics import ULTRALYTICS_NAMES, our_names

_PROGRESS_PERIOD_S = 1.0


class EpochEventLog:
    """One event per epoch. `epochs` keeps them for the record."""

    def __init__(self, event_log: EventLog, clock: PhaseClock, run_dir: Path) -> None:
        self.epochs: list[dict[str, Any]] = []
        self.best: dict[str, float] = {}
        self._event_log = event_log
        self._clock = clock
        self._progress = run_dir / PROGRESS_FILE
        self._next_progress_s = 0.0
        self._step = 0
        self._has_batch = False
        self._in_final_eval = False

    def callbacks(self) -> Callbacks:
        """Batch ends for the live line, epoch ends for the event log, the final evaluation for best.pt's metrics."""
        return {
            "on_train_epoch_start": self._reset_step,
            "on_train_batch_start": self._note_first_batch,
            "on_train_batch_end": self._show,
            "on_fit_epoch_end": self._write_epoch,
            "on_final_eval_start": self._begin_final_eval,
            "on_train_end": self._keep_best,
        }

    def _reset_step(self, trainer: Any) -> None:
        self._step = 0

    def _note_first_batch(self, trainer: Any) -> None:
        if not self._has_batch:
            self._has_batch = True
            self._event_log.write("first_batch")

    def _show(self, trainer: Any) -> None:
        self._step += 1
        now_s = time.monotonic()
        if now_s < self._next_progress_s:
            return
        self._next_progress_s = now_s + _PROGRESS_PERIOD_S
        progress = {
            "epoch": trainer.epoch + 1,
            "epochs": trainer.epochs,
            "step": self._step,
            "steps": len(trainer.train_loader),
            "loss": float(sum(float(value) for value in trainer.tloss.values())),
        }
        temporary = self._progress.with_suffix(".tmp")
        temporary.write_text(json.dumps(progress), encoding="utf-8")
        temporary.replace(self._progress)

    def _write_epoch(self, trainer: Any) -> None:
        if self._in_final_eval:  # Ultralytics fires this once more after best.pt's evaluation
            return
        train_phase = "warmup" if trainer.epoch == trainer.start_epoch else "train"
        epoch = {
            "epoch": trainer.epoch + 1,
            "epochs": trainer.epochs,
            "metrics": our_names({**trainer.label_loss_items(trainer.tloss), **trainer.metrics, **trainer.lr}),
            "train_s": self._clock.last_s.get(train_phase),
            "val_s": self._clock.last_s.get("validation"),
            "num_images": images_per_epoch(trainer.train_loader, getattr(trainer, "world_size", 1)),
        }
        self.epochs.append(epoch)
        self._event_log.write("epoch", **epoch)

    def _begin_final_eval(self, trainer: Any) -> None:
        self._in_final_eval = True

    def _keep_best(self, trainer: Any) -> None:
        self.best = our_names({k: v for k, v in trainer.metrics.items() if k in ULTRALYTICS_NAMES})


def images_per_epoch(loader: Any, num_processes: int = 1) -> int:
    """The images that an epoch trains on, in all processes together.

    With train.compile, Ultralytics drops a last batch that is not full.
    """
    return min(len(loader) * int(loader.batch_size) * max(1, num_processes), len(loader.dataset))
