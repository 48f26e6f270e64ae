"""The plan's model outside a training: built or loaded, and what of Ultralytics goes with it."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from sdpa_exp.config.plan import Plan
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.checkpoint import load_network
from sdpa_exp.injection.fit import check_sizes


def build(
    plan: Plan,
    *,
    num_classes: int | None,
    weights: str | None,
    images: Tensor,
    keypoints: tuple[int, int] | None = None,
) -> nn.Module:
    """The plan's model in fp32, able to say its loss.

    Args:
        plan: names the architecture, and the seed of fresh weights.
        num_classes: of the data set; None takes the architecture's.
        weights: a checkpoint; None for fresh weights, which get the batch statistics of the images.
        images: (B, 3, H, W), float, 0 to 1.
        keypoints: (points, numbers for each) of the data set; None takes the architecture's.
    """
    from ultralytics.cfg import get_cfg

    network: Any
    if weights:
        network, _ = load_network(weights, is_trusted=plan.model.trust_weights)
    else:
        torch.manual_seed(plan.seed)
        network = build_network(plan.model.architecture, num_classes, keypoints)
        check_sizes(network, [(images.shape[-2], images.shape[-1])], key="the image size")
        _settle_batch_statistics(network, images.cpu())
    network.args = get_cfg(overrides={"task": plan.purpose.name})
    num_classes = num_classes or int(network.yaml["nc"])
    network.nc = num_classes  # RT-DETR's loss asks the model; Ultralytics' trainer sets it too
    network.names = getattr(network, "names", None) or {index: str(index) for index in range(num_classes)}
    for parameter in network.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    return network.float()  # type: ignore[no-any-return]


@torch.no_grad()
def _settle_batch_statistics(network: nn.Module, images: Tensor) -> None:
    """One pass in training mode: without it, evaluation would see feature maps that fade from layer to layer."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:  # as in ViTs, some of which take one size alone
        return
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(images)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def is_rtdetr(network: nn.Module) -> bool:
    """Whether it is RT-DETR, for which Ultralytics has classes of its own."""
    from ultralytics.nn.tasks import RTDETRDetectionModel

    return isinstance(network, RTDETRDetectionModel)


def ultralytics_class(kind: Literal["predictor", "validator"], network: nn.Module, purpose: str) -> Any:
    """Ultralytics' own predictor or validator for a network; `purpose` is its name of the task."""
    from ultralytics import RTDETR, YOLO

    owner = RTDETR if is_rtdetr(network) else YOLO
    return owner.task_map.fget(None)[purpose][kind]  # a property that is the same for all objects
