"""task=train: one real training with an injected backend, watched and attested."""

from __future__ import annotations

import time
from typing import Any

from sdpa_exp.callbacks.accuracy import BestAccuracy
from sdpa_exp.callbacks.attach import attach
from sdpa_exp.callbacks.attestation import AttestTraining
from sdpa_exp.callbacks.data_stream import DataStream
from sdpa_exp.callbacks.event_log import EpochEventLog
from sdpa_exp.callbacks.finite_loss import FiniteLoss
from sdpa_exp.callbacks.perturbation import PerturbationNote
from sdpa_exp.callbacks.phases import PhaseClock
from sdpa_exp.callbacks.settings import SettingsCheck
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import SyntheticDataset
from sdpa_exp.data.real_batch import write_example
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import ATTESTATION_FILE, EXAMPLE_FILE, write_json_atomic
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.runs.ranks import num_ranks, rank
from sdpa_exp.tasks.several_devices import meet, own_device
from sdpa_exp.tasks.train.continuing import note_continued, take_over
from sdpa_exp.tasks.training import memory_errors, set_up_training

DEMO = "quick"
_DEMO_RECIPE = (
    "train=quick is the recipe of the rendered field (160 px, no mosaic, learning rate 0.005), and photographs learn "
    "little from it, or unlearn. Leave it out, which is train=own, or go on from weights with train=finetune."
)


def train(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Train, evaluate, attest; fills `outcome` as results come, so that a failure keeps what was measured.

    Arguments as in `Task.run`.

    Raises:
        BackendUnavailable: before the first step, with reasons.
        DatasetError: the data set can't be used.
        AttestationError: something else ran than what was asked for.
        OutOfMemory: batch and image size don't fit.
        RunError: the loss is not finite, or diverges.
    """
    if plan.train.name == DEMO and not isinstance(plan.dataset, SyntheticDataset):
        outcome.warn(event_log, "demo_recipe", _DEMO_RECIPE)
    continued = take_over(plan, event_log)
    training = set_up_training(plan, event_log, outcome, **({} if continued is None else continued.arguments))
    trainer = training.trainer
    clock = PhaseClock(event_log, started_perf_s=started_perf_s)
    epochs = EpochEventLog(event_log, clock, plan.run_dir)
    epochs.epochs.extend([] if continued is None else continued.epochs)
    stream = DataStream(event_log)
    settings = SettingsCheck(event_log, training.arguments)
    accuracy = BestAccuracy(epochs, plan.run_dir, plan.purpose)
    attest = AttestTraining(event_log, precision=plan.hardware.precision or "fp32")
    clock.set_device(own_device(plan.hardware))
    finite = FiniteLoss(event_log, plan.run_dir, goes_on=plan.on_nan == "continue")
    watchers: tuple[Any, ...] = (clock, stream, settings, attest, PerturbationNote(event_log), finite)
    if rank() == 0:
        watchers = (epochs, *watchers)
    attach(trainer, accuracy, *watchers)  # accuracy first: it is part of final_eval
    try:
        with memory_errors(plan):
            trainer.train()
        if rank() == 0:  # as all files of the run but its own attestation
            write_example(trainer.test_loader.dataset, plan.run_dir / EXAMPLE_FILE, imgsz=plan.imgsz)
    finally:
        clock.close_into(outcome)
        outcome.digests.update(stream.digests)
        outcome.settings_changed.update(settings.changed)
        outcome.metrics.update(_metrics(epochs, clock, trainer, outcome.unmeasured))
        outcome.metrics.update(accuracy.metrics)
        outcome.unmeasured.update(accuracy.unmeasured)
        left_out = finite.summary()
        if left_out is not None:
            outcome.warn(event_log, "batches_left_out", left_out)
        if accuracy.failure is not None:
            outcome.warn(event_log, "accuracy_not_analysed", accuracy.failure)
        outcome.metrics["total_s"] = time.perf_counter() - started_perf_s
        if continued is not None:
            note_continued(continued, outcome, event_log)

    attestation = attest.attestation
    if attestation is not None:
        outcome.attestation = attestation.summary()
        name = ATTESTATION_FILE if rank() == 0 else f"rank_{rank()}_{ATTESTATION_FILE}"
        write_json_atomic(plan.run_dir / name, attestation.to_dict())
        attestation.raise_if_wrong()
    if num_ranks() > 1:
        meet(outcome)


def _metrics(
    epochs: EpochEventLog, clock: PhaseClock, trainer: Any, unmeasured: dict[str, str]
) -> dict[str, float | None]:
    """The named metrics of runs/metrics.py; reasons for missing ones go to `unmeasured`."""
    values: dict[str, float | None] = dict(epochs.best)
    if epochs.epochs:
        last = epochs.epochs[-1]["metrics"]
        values |= {f"last/{name}": last[name] for name in ("mAP50", "mAP50-95") if name in last}
        values["best_epoch"] = float(trainer.stopper.best_epoch)
    steady = epochs.epochs[1:]
    values["train_s"] = values["images_per_s"] = None
    if steady:
        values["train_s"] = sum(epoch["train_s"] for epoch in steady)
        values["images_per_s"] = sum(epoch["num_images"] for epoch in steady) / values["train_s"]
    else:
        reason = "fewer than two epochs were finished, and the first is warm-up"
        unmeasured.update({"train_s": reason, "images_per_s": reason})
    peaks = clock.memory.get("train") or clock.memory.get("warmup") or {}
    key = "peak_allocated_mib" if trainer.device.type == "cuda" else "peak_rss_mib"
    values["peak_memory_mib"] = peaks.get(key)
    if values["peak_memory_mib"] is None:
        unmeasured["peak_memory_mib"] = "no training step was finished, or this system does not report peaks"
    return values
