"""Which layer is the first whose output is not finite: a forward pass is done again, and each module is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the first value that is not finite came up.

    Attributes:
        layer: dotted path inside the model; None where every module's output is finite, so that the loss itself is not.
        module: its class.
        how: in words.
        is_lasting: the weights are spoilt, so that there is nothing to go on from.
    """

    layer: str | None
    module: str | None
    how: str
    is_lasting: bool = False


def first_gradient_not_finite(network: nn.Module) -> Source:
    """The layer nearest to the loss that has a gradient which is not finite; backward came to it first."""
    for name, parameter in reversed(list(network.named_parameters())):
        if not _is_finite(parameter.grad):
            layer, _, weight = name.rpartition(".")
            return _at(network, layer, f"the gradient of its {weight} is not finite, and the outputs of all layers are")
    return Source(layer=None, module=None, how="no gradient was found that is not finite")


def first_not_finite(network: nn.Module, forward: Callable[[], object]) -> Source:
    """Run `forward` once more with every module watched; buffers and random numbers are afterwards as before.

    Args:
        network: whose modules are watched.
        forward: runs it, in the precision of the training.
    """
    for name, parameter in network.named_parameters():
        if not _is_finite(parameter):
            layer, _, weight = name.rpartition(".")
            return replace(_at(network, layer, f"its {weight} is not finite"), is_lasting=True)
    watch = _Watch(network)
    before = copies_of_buffers(network)
    try:
        with torch.no_grad(), torch.random.fork_rng():
            forward()
    finally:
        watch.close()
        put_back(before)
    return watch.found or Source(
        layer=None, module=None, how="the outputs of all layers are finite, and the loss is not"
    )


def copies_of_buffers(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Each buffer (batch norm's statistics) with a copy of what it holds."""
    return [(buffer, buffer.detach().clone()) for buffer in network.buffers()]


def put_back(buffers: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Fill buffers with their copies."""
    for buffer, content in buffers:
        buffer.copy_(content)


class _Watch:
    """Hooks at every module. What turns up at an input came from the nearest one around it with a finite input."""

    def __init__(self, network: nn.Module) -> None:
        self.found: Source | None = None
        self._network = network
        self._spoilt_inputs: set[str] = set()
        self._handles = []
        for name, module in network.named_modules():
            self._handles.append(module.register_forward_pre_hook(self._entering(name)))
            if name and not any(True for _ in module.children()):
                self._handles.append(module.register_forward_hook(self._looking_at(name)))

    def close(self) -> None:
        """Take the hooks out."""
        for handle in self._handles:
            handle.remove()

    def _entering(self, name: str) -> Callable[[nn.Module, Any], None]:
        def enter(module: nn.Module, inputs: Any) -> None:
            if self.found is None and not _is_finite(inputs):
                self._spoilt_inputs.add(name)

        return enter

    def _looking_at(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if self.found is not None or _is_finite(output):
                return
            if name not in self._spoilt_inputs:
                how = "its output is not finite, and its input and weights are"
                self.found = _at(self._network, name, how)
                return
            around = name.rpartition(".")[0]
            while around in self._spoilt_inputs:
                around = around.rpartition(".")[0]
            how = f"what it hands to {name} is not finite, and the outputs of the layers before are"
            self.found = _at(self._network, around, how)

        return look


def _at(network: nn.Module, layer: str, how: str) -> Source:
    return Source(layer=layer, module=type(network.get_submodule(layer)).__name__, how=how)


def _is_finite(values: object) -> bool:
    """Whether a tensor, or all tensors in tuples, lists and dicts, are finite; what is no tensor is."""
    if isinstance(values, Tensor):
        return not values.is_floating_point() or bool(torch.isfinite(values).all())
    if isinstance(values, dict):
        values = list(values.values())
    return all(_is_finite(value) for value in values) if isinstance(values, list | tuple) else True
