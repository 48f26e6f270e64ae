"""Attests a training after its last timed moment: a real step, a real validation batch, and the reloaded best.pt.

Profiling can slow a process for good, so it comes last. Every stage runs on a copy: nothing that was measured or
saved is touched. A compiled model has no layers to watch and takes a minute to compile again, so that the compiled
training step is the model's own, and is counted as a whole; only the training is compiled, validation never is.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from ultralytics.nn.tasks import load_checkpoint
from ultralytics.utils.torch_utils import autocast, unwrap_model

from sdpa_exp.callbacks.attach import Callbacks
from sdpa_exp.errors import RunError
from sdpa_exp.evidence.attest import Attestation, LayerEvidence, attest_call, attestation_from
from sdpa_exp.evidence.compiled import CompiledEvidence, attest_compiled, is_compiled
from sdpa_exp.injection.layers import find_layers
from sdpa_exp.runs.events import EventLog


class AttestTraining:
    """Fills `attestation` when the training ends."""

    def __init__(self, event_log: EventLog, *, precision: str) -> None:
        self.attestation: Attestation | None = None
        self._event_log = event_log
        self._precision = precision

    def callbacks(self) -> Callbacks:
        """After everything that is timed."""
        return {"on_train_end": self._attest}

    def _attest(self, trainer: Any) -> None:
        images = trainer.validator.preprocess(next(iter(trainer.test_loader)))["img"]
        evidence = [
            *attest_step(trainer, precision=self._precision),
            *self._validation(trainer, images),
            *self._reloaded(trainer, images),
        ]
        compiled = self._compiled_step(trainer) if is_compiled(trainer.model) else None
        self.attestation = attestation_from(evidence, find_layers(unwrap_model(trainer.model)), compiled=compiled)
        self._event_log.write("attestation", summary=self.attestation.summary())

    def _compiled_step(self, trainer: Any) -> CompiledEvidence:
        network = unwrap_model(trainer.model)

        def step() -> None:  # as Ultralytics does it: the loss stays outside the graph
            with autocast(torch.bfloat16 if trainer.args.amp == "bf16" else trainer.amp, device=trainer.device.type):
                loss, _ = network.loss(trainer.last_batch, trainer.model(trainer.last_batch["img"]))
            loss.sum().backward()

        trainer.model.train()
        return attest_compiled(step, find_layers(network), trainer.device)

    def _validation(self, trainer: Any, images: torch.Tensor) -> list[LayerEvidence]:
        """As Ultralytics validates while training: the EMA, under fp16 autocast where AMP is on (bf16 too)."""
        model = copy.deepcopy(trainer.ema.ema).eval()
        is_half = trainer.amp and trainer.device.type != "cpu"

        @torch.no_grad()
        def validate() -> None:
            with autocast(is_half, device=trainer.device.type):
                model(images)

        return attest_call(model, validate, stage="val", backward=False, dtype="fp16" if is_half else "fp32")

    def _reloaded(self, trainer: Any, images: torch.Tensor) -> list[LayerEvidence]:
        """As Ultralytics evaluates best.pt: loaded from its file and fused."""
        model, _ = load_checkpoint(trainer.best if trainer.best.exists() else trainer.last, device=trainer.device)
        trainer.check_reloaded(model)
        model = model.fuse(verbose=False).eval()
        is_half = trainer.amp and trainer.device.type != "cpu"
        model = model.half() if is_half else model.float()

        @torch.no_grad()
        def evaluate() -> None:
            model(images.half() if is_half else images.float())

        return attest_call(model, evaluate, stage="best_pt", backward=False, dtype="fp16" if is_half else "fp32")


def attest_step(trainer: Any, *, precision: str) -> list[LayerEvidence]:
    """Evidence of one training step on the trainer's last batch, with a copy of its model.

    Raises:
        RunError: the trainer has not had a batch yet.
    """
    if trainer.last_batch is None:
        raise RunError("the training ended without a single batch, so there is nothing to attest.")
    model = copy.deepcopy(unwrap_model(trainer.model)).train()

    def step() -> None:
        with autocast(torch.bfloat16 if trainer.args.amp == "bf16" else trainer.amp, device=trainer.device.type):
            loss, _ = model(trainer.last_batch)
        loss.sum().backward()

    return attest_call(model, step, stage="train", backward=True, dtype=precision)
