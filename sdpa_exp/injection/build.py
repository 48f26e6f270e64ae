"""Builds a network from an architecture's name, as Ultralytics' trainer will."""

from __future__ import annotations

from torch import nn
from ultralytics.nn.tasks import DetectionModel, RTDETRDetectionModel, yaml_model_load

from sdpa_exp.errors import InjectionError


def build_network(architecture: str, num_classes: int | None = None) -> nn.Module:
    """A freshly initialised detector, on the CPU.

    Args:
        architecture: an Ultralytics architecture file, such as yolo12n.yaml.
        num_classes: None takes the file's.

    Raises:
        InjectionError: Ultralytics does not know the architecture.
    """
    try:
        cls = RTDETRDetectionModel if is_rtdetr(architecture) else DetectionModel
        return cls(architecture, nc=num_classes, verbose=False)  # type: ignore[no-any-return]
    except FileNotFoundError as error:
        raise InjectionError(
            f"model.architecture={architecture} is not an architecture that Ultralytics knows: {error}. "
            "Expected a file such as yolo12n.yaml."
        ) from error


def is_rtdetr(architecture: str) -> bool:
    """Whether this architecture ends in RT-DETR's decoder, and so has its own model and trainer classes.

    Raises:
        FileNotFoundError: Ultralytics does not know the architecture.
    """
    return str(yaml_model_load(architecture)["head"][-1][2]) == "RTDETRDecoder"
