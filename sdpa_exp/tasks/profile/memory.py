"""Measures the memory of a training step: what is held for what, and the peak.

Tensors are counted by their storages, so that neither the allocator's cache nor what libraries hold is in it. The
process's own figures (resident set, torch's reserved memory, the device's use) are read beside them, to be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from sdpa_exp.injection.layers import Layer
from sdpa_exp.injection.replaced import replaced
from sdpa_exp.measure.process_memory import ProcessPeaks
from sdpa_exp.measure.tensor_peak import Peak, peak_meter
from sdpa_exp.tasks.profile.saved import SavedTensors, storage_bytes
from sdpa_exp.tasks.profile.schedule import Stage

_MIB = 2**20
_NO_CUDA = "CUDA only: here tensors are in the process's own memory"


@dataclass(frozen=True, kw_only=True)
class StepMemory:
    """Memory of one update of the weights, in MiB.

    Attributes:
        weights: parameters and buffers of the model.
        ema: the averaged copy of them.
        optimiser: the optimiser's state.
        gradients: of the parameters, from the backward to the optimiser's step.
        batch: images and labels on the device.
        saved: activations that autograd holds at the end of the forward.
        saved_attention: those among them that were saved inside attention modules.
        saved_by_layer: layer -> those of its projections, and the rest of it (the product and its copies).
        peak: the largest sum of all tensors at any moment.
        peak_phase: the phase of that moment: forward, backward or optimiser.
        temporary: what is left of the peak without everything above that is held in that phase.
        peak_reserved: what torch's allocator took from the device at most, its cache included.
        device_used: in use on the whole device in the end, by all processes, as nvidia-smi shows it.
        rss: resident set of the process in the end.
        peak_rss: its maximum over the update.
        unmeasured: why a value is None.
    """

    weights: float
    ema: float
    optimiser: float
    gradients: float
    batch: float
    saved: float
    saved_attention: float
    saved_by_layer: dict[str, dict[str, float]]
    peak: float
    peak_phase: str
    temporary: float
    peak_reserved: float | None
    device_used: float | None
    rss: float
    peak_rss: float | None
    unmeasured: dict[str, str]


class MemorySteps(Stage):
    """Measures the steps of one update; `result` is there in the end."""

    def __init__(self, name: str, num_steps: int, model: nn.Module, layers: Sequence[Layer]) -> None:
        super().__init__(name, num_steps)
        self.result: StepMemory | None = None
        self._model = model
        self._layers = layers
        self._stack = ExitStack()
        self._watching = ExitStack()
        self._saved: SavedTensors | None = None
        self._batch = self._gradients = 0

    def begin(self, trainer: Any) -> None:
        """Hook in, and follow the memory from here."""
        self._peaks = peak_meter(trainer.device)
        self._process = ProcessPeaks(torch.device("cpu"))  # the device's counters belong to the meter
        self._process.reset()
        step = trainer.optimizer_step

        def optimizer_step() -> None:
            self._peaks.enter("optimiser")
            self._gradients = self._gradient_bytes()
            step()

        self._stack.enter_context(replaced(trainer, "optimizer_step", optimizer_step))
        before = self._model.register_forward_pre_hook(lambda module, args: self._before_forward(trainer))
        after = self._model.register_forward_hook(lambda module, args, output: self._after_forward())
        self._stack.callback(before.remove)
        self._stack.callback(after.remove)
        self._held = held_bytes(trainer, self._model)
        self._carried = self._gradient_bytes()  # where an update gathers gradients over steps, some may be there
        self._peaks.start(held=sum(self._held.values()) + self._carried)

    def step_ended(self, trainer: Any) -> None:
        """What stands before the next forward (data, transfer) counts as forward."""
        self._peaks.enter("forward")

    def end(self, trainer: Any) -> None:
        """Take the hooks off and sum up."""
        peak = self._peaks.stop()
        self._stack.close()
        assert self._saved is not None  # a step without a forward would not have come to its end
        peak_rss = self._process.read()["peak_rss_mib"]
        device_used = _device_used_mib(trainer.device)
        self.result = StepMemory(
            **{name: value / _MIB for name, value in self._held.items()},
            gradients=self._gradients / _MIB,
            batch=self._batch / _MIB,
            saved=self._saved.total / _MIB,
            saved_attention=self._saved.attention / _MIB,
            saved_by_layer={
                layer: {where: value / _MIB for where, value in found.items()}
                for layer, found in self._saved.bytes_by_layer.items()
                if layer is not None
            },
            peak=peak.allocated / _MIB,
            peak_phase=peak.phase,
            temporary=self._left_over(peak) / _MIB,
            peak_reserved=None if peak.reserved is None else peak.reserved / _MIB,
            device_used=device_used,
            rss=psutil.Process().memory_info().rss / _MIB,
            peak_rss=peak_rss,
            unmeasured={
                **({} if device_used is not None else {"peak_reserved": _NO_CUDA, "device_used": _NO_CUDA}),
                **({} if peak_rss is not None else {"peak_rss": "this system does not report it"}),
            },
        )

    def _left_over(self, peak: Peak) -> int:
        saved = self._saved.total if self._saved else 0
        named = self._gradients if peak.phase == "optimiser" else saved + self._carried
        return peak.allocated - named - self._batch - sum(self._held.values())

    def _gradient_bytes(self) -> int:
        return storage_bytes(p.grad for p in self._model.parameters() if p.grad is not None)

    def _before_forward(self, trainer: Any) -> None:
        if self._saved is not None:
            return  # one forward tells it; the others of an update are like it
        batch = [value for value in trainer.last_batch.values() if isinstance(value, Tensor)]
        self._batch = storage_bytes(value for value in batch if value.device.type == trainer.device.type)
        known = [*self._model.parameters(), *self._model.buffers(), *batch]
        self._saved = SavedTensors(self._layers, not_counted=known, device=trainer.device)
        self._watching.enter_context(self._saved.watching())

    def _after_forward(self) -> None:
        self._watching.close()
        self._peaks.enter("backward")


def held_bytes(trainer: Any, model: nn.Module) -> dict[str, int]:
    """Bytes of the tensors that outlast a step: weights (with buffers), their EMA, and the optimiser's state."""
    state = [value for held in trainer.optimizer.state.values() for value in held.values() if isinstance(value, Tensor)]
    ema = trainer.ema.ema
    return {
        "weights": storage_bytes([*model.parameters(), *model.buffers()]),
        "ema": storage_bytes([*ema.parameters(), *ema.buffers()]),
        "optimiser": storage_bytes(state),
    }


def _device_used_mib(device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return (total - free) / _MIB
