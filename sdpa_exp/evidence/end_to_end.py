"""A whole model with a backend against the same model with stock attention: loss and predictions, in one precision.

What differs at the layers is rounding; here is what becomes of it at the end of the network. Reported beside the plain
computation's own distance from fp64, not judged: a detector ends in choices (which anchor a box belongs to, which
queries are the best), and a choice can turn over on the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sdpa_exp.attention.precision import autocast_to, dtype_name
from sdpa_exp.injection.inject import Choices, injected_copy

_NOISE_SEED = 0


@dataclass(frozen=True, kw_only=True)
class EndToEnd:
    """One precision.

    Attributes:
        loss_stock, loss_backend: the training loss of one batch; None where the model can't say it.
        max_diff, mean_diff: |backend - stock| of the predictions, in pixels for boxes and from 0 to 1 for scores.
        mean_error, mean_plain_error: mean |x - fp64 stock| of the predictions, with the backend and with stock.
    """

    precision: str
    loss_stock: float | None
    loss_backend: float | None
    max_diff: float
    mean_diff: float
    mean_error: float
    mean_plain_error: float


def compare_end_to_end(
    network: nn.Module, backend: str, batch: dict[str, Any], *, dtype: torch.dtype, choices: Choices | None = None
) -> EndToEnd:
    """Compare loss and predictions on one batch.

    Args:
        network: in fp32; not changed.
        backend: a name from BACKENDS, or `package.module:NAME`.
        batch: an Ultralytics batch with "img" from 0 to 1 and labels, on the network's device.
        dtype: a half precision runs under autocast.
        choices: as `inject` takes them, for backend="auto".
    """
    stock, tested = injected_copy(network, "stock"), injected_copy(network, backend, choices)
    truth = _predictions(injected_copy(network, "stock").double(), batch["img"].double(), torch.float64)
    by_stock, got = (_predictions(model, batch["img"], dtype) for model in (stock, tested))
    diff = (got - by_stock).abs()
    return EndToEnd(
        precision=dtype_name(dtype),
        loss_stock=_loss(stock, batch, dtype),
        loss_backend=_loss(tested, batch, dtype),
        max_diff=float(diff.max()),
        mean_diff=float(diff.mean()),
        mean_error=float((got - truth).abs().mean()),
        mean_plain_error=float((by_stock - truth).abs().mean()),
    )


@torch.no_grad()
def _predictions(model: nn.Module, images: Tensor, dtype: torch.dtype) -> Tensor:
    """What the model predicts in evaluation mode, as fp64."""
    with autocast_to(dtype, images.device.type):
        out = model.eval()(images)
    while not isinstance(out, Tensor):
        out = next(iter(out.values())) if isinstance(out, dict) else out[0]
    return out.double()


@torch.no_grad()
def _loss(model: nn.Module, batch: dict[str, Any], dtype: torch.dtype) -> float | None:
    """The loss of a training step; None for a model that has none of its own.

    RT-DETR draws noise for its denoising queries: every loss gets the same.
    """
    if not hasattr(model, "loss"):
        return None
    devices = [batch["img"].device] if batch["img"].is_cuda else []
    with torch.random.fork_rng(devices=devices), autocast_to(dtype, batch["img"].device.type):
        torch.manual_seed(_NOISE_SEED)
        total, _ = model.train()(batch)
    return float(total.double().sum())
