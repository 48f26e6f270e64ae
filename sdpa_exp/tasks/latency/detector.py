"""The network that task=latency times: a checkpoint's, or a fresh one whose batch statistics fit the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sdpa_exp.config.plan import CLASSIFY_IMGSZ, DEFAULT_IMGSZ, Plan
from sdpa_exp.errors import RunError
from sdpa_exp.injection.checkpoint import load_network
from sdpa_exp.injection.fit import check_sizes
from sdpa_exp.injection.inject import describe
from sdpa_exp.runs.purposes import CLASSIFY, DETECT, PURPOSES, Purpose, purpose_of_head
from sdpa_exp.tasks.latency import Latency
from sdpa_exp.tasks.latency.source import Frame
from sdpa_exp.tasks.network import build

_NUM_SETTLING = 4


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A network in fp32, on the CPU, not fused; `weights` is None where they are fresh."""

    network: nn.Module
    name: str
    weights: str | None
    imgsz: int


def load_detector(plan: Plan, frames: Sequence[Frame], num_classes: int | None) -> Detector:
    """The plan's weights, or fresh ones.

    The image size is `latency.imgsz`, else what a checkpoint was trained at (as `yolo predict` has it), else 640.

    Args:
        plan: names the weights, or the architecture and seed of fresh ones.
        frames: images to settle the batch statistics of fresh weights on.
        num_classes: of fresh weights; None takes the architecture's.

    Raises:
        ConfigError: the image size does not fit the areas of a layer.
        RunError: the checkpoint can't be loaded, or is none of a detector.
    """
    weights = Latency.of(plan).weights or plan.model.weights
    if weights:
        network, trained_at = load_weights(weights, key="latency.weights", is_trusted=plan.model.trust_weights)
        if purpose_of_network(network) is not DETECT:
            raise RunError(
                f"the weights {weights} are of a {type(network).__name__}: expected a detector. Set latency.weights to "
                "one."
            )
        imgsz = Latency.of(plan).imgsz or trained_at
        check_sizes(network, [(imgsz, imgsz)], key="latency.imgsz")
        return Detector(network=network, name=describe(network), weights=weights, imgsz=imgsz)
    imgsz = Latency.of(plan).imgsz or DEFAULT_IMGSZ
    images = _letterboxed(frames[:_NUM_SETTLING], imgsz)
    network = build(plan, num_classes=num_classes, weights=None, images=images)
    return Detector(network=network, name=describe(network), weights=None, imgsz=imgsz)


def load_weights(weights: str, *, key: str, is_trusted: bool) -> tuple[nn.Module, int]:
    """A trained network, and the image size that it was trained at.

    Raises:
        RunError: the file can't be loaded, or is for something else than `PURPOSES`; `key` is the option that named it.
    """
    network, checkpoint = load_network(weights, key=key, is_trusted=is_trusted)
    purpose = purpose_of_network(network)
    if purpose is None:
        known = ", ".join(PURPOSES)
        raise RunError(f"the weights {weights} are of a {type(network).__name__}: expected {known}. Set {key} to such.")
    network.task = purpose.name  # type: ignore[assignment] # which Ultralytics reads from its settings, and exports
    imgsz = (checkpoint.get("train_args") or {}).get("imgsz")
    default = CLASSIFY_IMGSZ if purpose is CLASSIFY else DEFAULT_IMGSZ
    return network, imgsz if isinstance(imgsz, int) else default


def purpose_of_network(network: Any) -> Purpose | None:
    """What a network is for, by its last layer; None for what nothing here trains."""
    layers = getattr(network, "model", None)
    return purpose_of_head(type(layers[-1]).__name__) if layers else None


def _letterboxed(frames: Sequence[Frame], imgsz: int) -> Tensor:
    """(B, 3, H, W) from 0 to 1, RGB."""
    from ultralytics.data.augment import LetterBox

    letterbox = LetterBox((imgsz, imgsz), auto=False)
    pixels = np.stack([letterbox(image=frame.pixels)[..., ::-1] for frame in frames])
    return torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255
