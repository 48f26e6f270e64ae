"""Digests of what went in and came out: the first training batches, the weights before and after."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import nn
from ultralytics.utils.torch_utils import unwrap_model

from sdpa_exp.callbacks.attach import Callbacks
from sdpa_exp.runs.events import EventLog

NUM_BATCHES = 4


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over names and bytes of all parameters and buffers, shortened to 16 hex digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()[:16]


class DataStream:
    """Digests the first batches of the first epoch (warm-up), so that arms can be shown to have seen the same data."""

    def __init__(self, event_log: EventLog) -> None:
        self.digests: dict[str, str] = {}
        self._event_log = event_log
        self._hash = hashlib.sha256()
        self._num_batches = 0

    def callbacks(self) -> Callbacks:
        """Weights after setup and after the last step; batches when they are ready (an event of AttentionTrainer)."""
        return {
            "on_pretrain_routine_end": self._digest_initial,
            "on_train_batch_ready": self._add_batch,
            "on_train_epoch_end": self._finish,
            "on_train_end": self._digest_final,
        }

    def _digest_initial(self, trainer: Any) -> None:
        self.digests["initial_weights"] = weights_digest(unwrap_model(trainer.model))

    def _digest_final(self, trainer: Any) -> None:
        self.digests["final_weights"] = weights_digest(unwrap_model(trainer.model))

    def _add_batch(self, trainer: Any) -> None:
        if "data_stream" in self.digests or self._num_batches >= NUM_BATCHES:
            return
        for key in ("img", "cls", "bboxes", "batch_idx", "masks", "keypoints"):
            if key in trainer.last_batch:
                self._hash.update(_bytes(trainer.last_batch[key]))
        self._num_batches += 1

    def _finish(self, trainer: Any) -> None:
        if self._num_batches and "data_stream" not in self.digests:
            self.digests["data_stream"] = self._hash.hexdigest()[:16]
            self._event_log.write("data_stream", digest=self.digests["data_stream"], num_batches=self._num_batches)


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
