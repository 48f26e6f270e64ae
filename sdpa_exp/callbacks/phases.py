"""Splits a run into phases, with wall time and peak memory of each; the device is idle at every border.

setup (process start to the first step, without caching), caching (data sets scanned and cached), warmup (training
part of the first epoch), train (training parts of all later epochs), validation, bookkeeping (checkpoints, tables),
final_eval (best.pt, accuracy, plots), attestation.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from sdpa_exp.callbacks.attach import Callbacks
from sdpa_exp.measure.clock import synchronize
from sdpa_exp.measure.process_memory import ProcessPeaks
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome

_CPU = torch.device("cpu")


class PhaseClock:
    """Knows which phase the run is in. `wall_s` and `memory` hold totals and maxima per phase."""

    def __init__(self, event_log: EventLog, *, started_perf_s: float, device: torch.device = _CPU) -> None:
        self.wall_s: dict[str, float] = {}
        self.memory: dict[str, dict[str, float | None]] = {}
        self.last_s: dict[str, float] = {}
        self._event_log = event_log
        self._phase = "setup"
        self._since_s = started_perf_s
        self.set_device(device)

    def enter(self, phase: str) -> None:
        """Close the phase that is running and open another."""
        synchronize(self._device)
        now_s = time.perf_counter()
        elapsed_s = now_s - self._since_s
        self.last_s[self._phase] = elapsed_s
        self.wall_s[self._phase] = self.wall_s.get(self._phase, 0.0) + elapsed_s
        peaks = self._memory.read()
        self.memory[self._phase] = _largest(self.memory.get(self._phase), peaks)
        self._event_log.write("phase", name=self._phase, wall_s=elapsed_s, memory=peaks)
        self._memory.reset()
        self._phase, self._since_s = phase, time.perf_counter()

    def callbacks(self) -> Callbacks:
        """Ultralytics events at the borders; `on_caching_*` and `on_final_eval_start` come from AttentionTrainer."""
        return {
            "on_caching_start": lambda trainer: self.enter("caching"),
            "on_caching_end": lambda trainer: self.enter("setup"),
            "on_train_epoch_start": self._begin_epoch,
            "on_train_epoch_end": lambda trainer: self.enter("validation"),
            "on_val_end": self._end_validation,
            "on_final_eval_start": lambda trainer: self.enter("final_eval"),
            "on_train_end": lambda trainer: self.enter("attestation"),
        }

    def set_device(self, device: torch.device) -> None:
        """Watch this device from here on: it is synchronised at borders, and its memory counters are read."""
        self._device = device
        self._memory = ProcessPeaks(device)
        self._memory.reset()

    def close_into(self, outcome: Outcome) -> None:
        """End the last phase, and hand over what was measured."""
        self.enter("closed")
        outcome.phases_s.update(self.wall_s)
        outcome.memory.update(self.memory)

    def _begin_epoch(self, trainer: Any) -> None:
        self.enter("warmup" if trainer.epoch == trainer.start_epoch else "train")

    def _end_validation(self, validator: Any) -> None:
        if self._phase == "validation":  # the final evaluation validates too
            self.enter("bookkeeping")


def _largest(before: dict[str, float | None] | None, now: dict[str, float | None]) -> dict[str, float | None]:
    """Key-wise maximum; None where neither was measured."""
    if before is None:
        return now
    return {key: max((v for v in (before[key], now[key]) if v is not None), default=None) for key in now}
