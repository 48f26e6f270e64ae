"""Runs stages of steps inside Ultralytics' own training loop, one after the other, and leaves the loop after the last.

A stage takes a number of steps in a row. Its first step begins where the step before it ended, so that waiting for data
is inside. The first step of an epoch starts the loader anew and is in no stage: a stage that does not fit into the rest
of an epoch waits for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sdpa_exp.callbacks.attach import Callbacks
from sdpa_exp.errors import RunError
from sdpa_exp.tasks.training import StepsDone


class Stage:
    """Something done for `num_steps` steps; subclasses fill in what happens at its borders."""

    def __init__(self, name: str, num_steps: int) -> None:
        self.name = name
        self.num_steps = num_steps

    def begin(self, trainer: Any) -> None:
        """Called at the end of the step before the first."""

    def batch_arrived(self, trainer: Any) -> None:
        """Called in every step when the loader has delivered, before anything is done with the batch."""

    def step_ended(self, trainer: Any) -> None:
        """Called at the end of every step but the last."""

    def end(self, trainer: Any) -> None:
        """Called at the end of the last step."""


class Schedule:
    """The stages as callbacks of a trainer; raises StepsDone out of `trainer.train()` after the last one."""

    def __init__(
        self, stages: Sequence[Stage], *, at_end: Callable[[Any], None], on_stage: Callable[[str], None]
    ) -> None:
        """Plan the stages.

        Args:
            stages: in their order.
            at_end: called with the trainer after the last, before the loop is left.
            on_stage: called with a stage's name before a stage begins that has another than the one before it.
        """
        self._waiting = list(stages)
        self._on_stage = on_stage
        self._name = ""
        self._running: Stage | None = None
        self._at_end = at_end
        self._index = 0  # steps of this epoch that have ended
        self._left = 0  # steps of the running stage

    def callbacks(self) -> Callbacks:
        """Checked before the first step; moved on at the end of every step."""
        return {
            "on_train_start": self._check,
            "on_train_epoch_start": self._new_epoch,
            "on_train_batch_start": self._batch_arrived,
            "on_train_batch_end": self._step_ended,
            "on_train_end": self._missed,
        }

    def _check(self, trainer: Any) -> None:
        per_epoch, epochs = len(trainer.train_loader), trainer.epochs
        lengths = [stage.num_steps for stage in self._waiting]
        needed = epochs_needed(lengths, per_epoch)
        if needed is None:
            raise RunError(
                f"an epoch has {per_epoch} steps, and task=profile needs {max(lengths) + 1} in a row. Set a smaller "
                "hardware.batch, profile.warmup_steps or profile.num_steps, or take a data set with more images."
            )
        if needed > epochs:
            raise RunError(
                f"the recipe ends after {epochs} epochs of {per_epoch} steps, and task=profile needs {needed} epochs "
                f"for its stages. Set train.epochs={needed}, or a smaller profile.num_pairs or profile.num_steps."
            )

    def _new_epoch(self, trainer: Any) -> None:
        self._index = 0

    def _batch_arrived(self, trainer: Any) -> None:
        if self._running is not None:
            self._running.batch_arrived(trainer)

    def _step_ended(self, trainer: Any) -> None:
        self._index += 1
        if self._running is not None:
            self._left -= 1
            if self._left:
                self._running.step_ended(trainer)
                return
            self._running.end(trainer)
            self._running = None
        if not self._waiting:
            self._at_end(trainer)
            raise StepsDone
        if self._waiting[0].num_steps <= len(trainer.train_loader) - self._index:
            self._running = self._waiting.pop(0)
            self._left = self._running.num_steps
            if self._running.name != self._name:
                self._name = self._running.name
                self._on_stage(self._name)
            self._running.begin(trainer)

    def _missed(self, trainer: Any) -> None:
        names = ", ".join(stage.name for stage in self._waiting)
        raise RunError(f"the training ended before task=profile was done: {names} missing. Set a larger train.epochs.")


def epochs_needed(lengths: Sequence[int], per_epoch: int) -> int | None:
    """Epochs that stages of these lengths take, the first step of each epoch left out; None if one fits in none."""
    if max(lengths, default=0) > per_epoch - 1:
        return None
    epochs, used = 1, 1
    for length in lengths:
        if used + length > per_epoch:
            epochs, used = epochs + 1, 1
        used += length
    return epochs
