"""Labels the steps of a training for a profiler: its phases, its attention modules, and what is inside those."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from torch import nn

from sdpa_exp.evidence.labels import LAYER_LABEL, labelled, labelled_call
from sdpa_exp.injection.dispatch import OBSERVER
from sdpa_exp.injection.layers import Layer
from sdpa_exp.tasks.profile import parts


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
        stack.enter_context(mock.patch.object(criterion, "__call__", loss))
        stack.enter_context(labelled(model, parts.PART_LABEL + parts.FORWARD))
        for layer in layers:
            stack.enter_context(labelled(layer.module, LAYER_LABEL + layer.name))
            for name, child in layer.module.named_children():
                if not isinstance(child, nn.MultiheadAttention):  # its projections and its product are operations
                    word = parts.PROJECTION if name in parts.PROJECTION_MODULES else parts.OUTSIDE
                    stack.enter_context(labelled(child, parts.PART_LABEL + word))
            layer.module.__dict__[OBSERVER] = _label_backend
            stack.callback(layer.module.__dict__.pop, OBSERVER)
        yield


def _label_method(stack: ExitStack, trainer: Any, name: str, word: str) -> None:
    labelled_method = labelled_call(getattr(trainer, name), parts.PART_LABEL + word)
    stack.enter_context(mock.patch.object(trainer, name, labelled_method))


def _label_backend(function: Callable[..., Any]) -> Callable[..., Any]:
    return labelled_call(function, parts.PART_LABEL + parts.BACKEND)
