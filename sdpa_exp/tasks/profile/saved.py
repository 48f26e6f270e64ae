"""Which tensors autograd saves for the backward pass, and inside which attention module.

Storages are counted, not tensors: two views of one storage are one, and a storage that two modules save is counted
where it was saved first. Weights, buffers and the batch are not activations, although autograd saves them too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from sdpa_exp.injection.layers import Layer
from sdpa_exp.tasks.profile.parts import PROJECTION_MODULES

Where = Literal["projection", "rest"]


class SavedTensors:
    """Counts what is saved while `watching`; `bytes_by_layer` is layer -> part -> bytes, with None for all else."""

    def __init__(self, layers: Sequence[Layer], *, not_counted: Iterable[Tensor], device: torch.device) -> None:
        self.bytes_by_layer: dict[str | None, dict[Where, int]] = defaultdict(lambda: {"projection": 0, "rest": 0})
        self._layers = layers
        self._device = device
        self._known = {storage_id(tensor) for tensor in not_counted}
        self._held: dict[int, Any] = {}  # keeps addresses from being used twice while they are compared
        self._layer: str | None = None
        self._where: Where = "rest"

    @property
    def total(self) -> int:
        """All bytes saved."""
        return sum(sum(found.values()) for found in self.bytes_by_layer.values())

    @property
    def attention(self) -> int:
        """Bytes saved inside attention modules."""
        return self.total - sum(self.bytes_by_layer[None].values())

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count within it; on leaving, nothing is held any more."""
        with ExitStack() as stack:
            for layer in self._layers:
                self._watch(stack, layer.module, "_layer", layer.name)
                for name, child in layer.module.named_children():
                    if name in PROJECTION_MODULES:
                        self._watch(stack, child, "_where", "projection")
            stack.callback(self._held.clear)
            stack.enter_context(saved_tensors_hooks(self._note, lambda tensor: tensor))
            yield

    def _watch(self, stack: ExitStack, module: nn.Module, attribute: str, value: str) -> None:
        before = getattr(self, attribute)

        def enter(module: nn.Module, args: Any) -> None:
            setattr(self, attribute, value)

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            setattr(self, attribute, before)

        stack.enter_context(module.register_forward_pre_hook(enter))
        stack.enter_context(module.register_forward_hook(leave, always_call=True))

    def _note(self, tensor: Tensor) -> Tensor:
        address = storage_id(tensor)
        if tensor.device.type == self._device.type and address not in self._known and address not in self._held:
            storage = tensor.untyped_storage()
            self._held[address] = storage
            self.bytes_by_layer[self._layer][self._where] += storage.nbytes()
        return tensor


def storage_id(tensor: Tensor) -> int:
    """The address of a tensor's storage, the same for all its views."""
    return tensor.untyped_storage().data_ptr()


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the distinct storages of these tensors."""
    found = {storage_id(tensor): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(found.values())
