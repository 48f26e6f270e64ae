"""Watches the loss of every batch: one that is not finite, or diverges, is recorded with the batch and the first layer.

Ultralytics looks at the end of an epoch, at its last batch alone, and goes on from last.pt. Here the run ends at once,
or (on_nan=continue) the batch is left out: no step of the optimiser is taken with it, and it is counted.

On a CPU and in fp16 the look comes before the optimiser's step, while the weights are still those that made the loss.
On CUDA in bf16 and fp32 that would make the processor wait for the device in every step, so that it comes after the
step, when Ultralytics has waited to print the loss; on_nan=continue looks before the step everywhere, and is slower.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from ultralytics.utils.torch_utils import autocast, unwrap_model

from sdpa_exp.callbacks.attach import Callbacks
from sdpa_exp.errors import RunError
from sdpa_exp.evidence.not_finite import (
    Source,
    copies_of_buffers,
    first_gradient_not_finite,
    first_not_finite,
    put_back,
)
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import write_json_atomic

NOT_FINITE_FILE = "not_finite.json"
DIVERGED = 1000.0  # times the loss of the first batch: far above what any warm-up does
_NUM_NAMED = 3
_MOST_KEPT = 20


class FiniteLoss:
    """Ends the run at the first such batch, or leaves it out; `entries` has what was found."""

    def __init__(self, event_log: EventLog, run_dir: Path, *, goes_on: bool) -> None:
        self.num_left_out = 0
        self.entries: list[dict[str, Any]] = []
        self._event_log = event_log
        self._file = run_dir / NOT_FINITE_FILE
        self._goes_on = goes_on
        self._first: float | None = None
        self._is_checked = False
        self._has_stepped = self._has_diverged = False
        self._step = 0
        self._last: tuple[Any, Any, Any] | None = None  # loss, its items, their mean: of the last finite batch
        self._buffers: list[tuple[Tensor, Tensor]] = []

    def callbacks(self) -> Callbacks:
        """Before the optimiser's step (an event of our trainer), and at the end of every batch."""
        return {
            "on_train_epoch_start": self._new_epoch,
            "on_train_batch_ready": self._new_batch,
            "on_optimizer_step_start": self._before_step,
            "on_train_batch_end": self._batch_ended,
            "on_train_epoch_end": self._epoch_ended,
        }

    def summary(self) -> str | None:
        """How many batches were left out, as a sentence; None where none was."""
        if not self.num_left_out:
            return None
        return (
            f"{self.num_left_out} batches were left out of the training, since their loss or its gradients were not "
            f"finite (on_nan=continue; {NOT_FINITE_FILE} names them): {self.entries[0]['sentence']}"
        )

    def _new_epoch(self, trainer: Any) -> None:
        self._step, self._last = 0, None

    def _new_batch(self, trainer: Any) -> None:
        self._step += 1
        self._is_checked = self._has_stepped = False
        if self._goes_on:  # batch norm has taken the batch into its statistics before the loss is known
            self._buffers = copies_of_buffers(unwrap_model(trainer.model))

    def _before_step(self, trainer: Any) -> None:
        if self._goes_on or trainer.device.type == "cpu" or trainer.scaler.is_enabled():
            self._check(trainer)
        self._has_stepped = True

    def _batch_ended(self, trainer: Any) -> None:
        self._check(trainer)
        if trainer.leaves_out_batch:
            trainer.leaves_out_batch = False
            trainer.loss, trainer.loss_items, trainer.tloss = self._last or (trainer.loss, trainer.loss_items, None)
        else:
            self._last = (trainer.loss, trainer.loss_items, trainer.tloss)

    def _epoch_ended(self, trainer: Any) -> None:
        if self._last is None:
            raise RunError(f"no batch of epoch {trainer.epoch + 1} had a finite loss: {self.entries[-1]['sentence']}")

    def _check(self, trainer: Any) -> None:
        if self._is_checked:
            return
        self._is_checked = True
        loss = float(trainer.loss.detach())
        if not math.isfinite(loss):
            self._refuse(trainer, f"the loss is {loss}", self._find(trainer))
        elif self._first is not None and loss > DIVERGED * self._first > 0:
            if not self._has_diverged:
                self._has_diverged = True
                how = "no value is infinite or NaN so far"
                what = f"the loss diverges: {loss:.4g}, after {self._first:.4g} at the first batch,"
                self._record(trainer, what, Source(layer=None, module=None, how=how))
                if not self._goes_on:
                    raise RunError(f"{self.entries[-1]['sentence']} Lower train.lr0; on_nan=continue goes on.")
        elif self._goes_on and not trainer.scaler.is_enabled() and not self._has_stepped:
            network = unwrap_model(trainer.model)
            gradients = [each.grad for each in network.parameters() if each.grad is not None]
            if not bool(torch.isfinite(torch.nn.utils.get_total_norm(gradients))):
                self._refuse(trainer, f"the loss is {loss:.4g}, its gradients", first_gradient_not_finite(network))
        self._first = loss if self._first is None else self._first

    def _refuse(self, trainer: Any, what: str, source: Source) -> None:
        """Leave the batch out, or end the run.

        Raises:
            RunError: on_nan=fail, or the weights are spoilt.
        """
        self._record(trainer, what, source)
        if not self._goes_on or source.is_lasting:
            rest = "." if self._goes_on else "; on_nan=continue leaves such batches out."
            advice = "Lower train.lr0, or use hardware.precision=bf16 or fp32"
            raise RunError(f"{self.entries[-1]['sentence']} {advice}{rest}")
        self.num_left_out += 1
        trainer.leaves_out_batch = True
        trainer.optimizer.zero_grad()
        put_back(self._buffers)

    def _record(self, trainer: Any, what: str, source: Source) -> None:
        images = [str(file) for file in trainer.last_batch.get("im_file", [])]
        more = ", ..." if len(images) > _NUM_NAMED else ""
        named = ", ".join(Path(file).name for file in images[:_NUM_NAMED]) + more
        where = f"{source.layer} ({source.module}): {source.how}" if source.layer else source.how
        entry = {
            "epoch": trainer.epoch + 1,
            "step": self._step,
            "loss": str(float(trainer.loss.detach())),
            "loss_items": {name: str(float(value)) for name, value in trainer.loss_items.items()},
            "layer": source.layer,
            "module": source.module,
            "how": source.how,
            "images": images,
            "sentence": f"{what} in epoch {trainer.epoch + 1}, step {self._step} ({named}). First of all: {where}.",
        }
        self.entries.append(entry)
        write_json_atomic(self._file, {"batches": self.entries[:_MOST_KEPT], "num_batches": len(self.entries)})
        self._event_log.write("not_finite", **{key: entry[key] for key in ("epoch", "step", "loss", "layer", "how")})

    def _find(self, trainer: Any) -> Source:
        network = unwrap_model(trainer.model)
        precision = torch.bfloat16 if trainer.args.amp == "bf16" else trainer.amp

        def forward() -> None:
            with autocast(precision, device=trainer.device.type):
                network(trainer.last_batch)

        found = first_not_finite(network, forward)
        if found.is_lasting and self._has_stepped:
            return replace(found, how="the optimiser has taken its step; on_nan=continue looks for the layer before it")
        return found
