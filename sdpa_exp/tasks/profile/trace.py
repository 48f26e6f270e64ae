"""Profiles consecutive steps of a training, all labelled: its phases, its attention modules, and their parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from sdpa_exp.evidence.labels import LAYER_LABEL, labelled, labelled_call
from sdpa_exp.injection.dispatch import observed
from sdpa_exp.injection.layers import Layer
from sdpa_exp.injection.replaced import replaced
from sdpa_exp.measure.clock import synchronize
from sdpa_exp.tasks.profile import parts
from sdpa_exp.tasks.profile.schedule import Stage


@contextmanager
def labelled_training(trainer: Any, model: nn.Module, layers: Sequence[Layer]) -> Iterator[None]:
    """Within it, every step of the trainer is labelled. The loop labels the wait for data itself.

    Args:
        trainer: has done a step, so that the model has its criterion.
        model: the trainer's, unwrapped.
        layers: of the model.
    """
    with ExitStack() as stack:
        _label_method(stack, trainer, "preprocess_batch", parts.TRANSFER)
        _label_method(stack, trainer, "optimizer_step", parts.OPTIMISER)
        criterion = type(model.criterion)  # a class's, since an instance that is a module can't be replaced
        loss = labelled_call(criterion.__call__, parts.PART_LABEL + parts.LOSS)
        stack.enter_context(replaced(criterion, "__call__", loss))
        stack.enter_context(labelled(model, parts.PART_LABEL + parts.FORWARD))
        for layer in layers:
            stack.enter_context(labelled(layer.module, LAYER_LABEL + layer.name))
            for name, child in layer.module.named_children():
                if not isinstance(child, nn.MultiheadAttention):  # its projections and its product are operations
                    word = parts.PROJECTION if name in parts.PROJECTION_MODULES else parts.OUTSIDE
                    stack.enter_context(labelled(child, parts.PART_LABEL + word))
            stack.enter_context(observed(layer.module, _label_backend))
        yield


def _label_method(stack: ExitStack, trainer: Any, name: str, word: str) -> None:
    labelled_method = labelled_call(getattr(trainer, name), parts.PART_LABEL + word)
    stack.enter_context(replaced(trainer, name, labelled_method))


def _label_backend(function: Callable[..., Any]) -> Callable[..., Any]:
    return labelled_call(function, parts.PART_LABEL + parts.BACKEND)


class ProfiledSteps(Stage):
    """Profiles its steps; `profiler` can be read after the last one."""

    def __init__(self, name: str, num_steps: int, model: nn.Module, layers: Sequence[Layer]) -> None:
        super().__init__(name, num_steps)
        self.profiler: Any = None
        self._model = model
        self._layers = layers
        self._stack = ExitStack()
        self._ranges: list[Any] = []

    def begin(self, trainer: Any) -> None:
        """Put the labels on, start the profiler and the first step."""
        self._stack.enter_context(labelled_training(trainer, self._model, self._layers))
        on_device = [ProfilerActivity.CUDA] if trainer.device.type == "cuda" else []
        synchronize(trainer.device)
        self.profiler = profile(activities=[ProfilerActivity.CPU, *on_device], acc_events=True)
        self.profiler.start()
        self._open(parts.STEP_LABEL, parts.PART_LABEL + parts.DATA)

    def batch_arrived(self, trainer: Any) -> None:
        """The wait for data ends."""
        self._ranges.pop().__exit__(None, None, None)

    def step_ended(self, trainer: Any) -> None:
        """One step ends where the next begins."""
        self._close_step(trainer)
        self._open(parts.STEP_LABEL, parts.PART_LABEL + parts.DATA)

    def end(self, trainer: Any) -> None:
        """Stop, and take the labels off."""
        self._close_step(trainer)
        self.profiler.stop()
        self._stack.close()

    def write_trace(self, path: Path) -> None:
        """Chrome's trace format, compressed; Perfetto opens it as it is."""
        self.profiler.export_chrome_trace(str(path))

    def _open(self, *texts: str) -> None:
        for text in texts:
            label = record_function(text)
            label.__enter__()
            self._ranges.append(label)

    def _close_step(self, trainer: Any) -> None:
        synchronize(trainer.device)  # the loop has done so for its progress line; this makes the border exact
        self._ranges.pop().__exit__(None, None, None)
