"""Builds a network from an architecture's name, as Ultralytics' trainer will."""

from __future__ import annotations

from typing import Any

from torch import nn
from ultralytics.nn.tasks import (
    ClassificationModel,
    DetectionModel,
    OBBModel,
    PoseModel,
    RTDETRDetectionModel,
    SegmentationModel,
    yaml_model_load,
)

from sdpa_exp.errors import InjectionError
from sdpa_exp.injection.timm_network import PREFIX, TimmClassifier

_CLASSES: dict[str, type[nn.Module]] = {
    "Segment": SegmentationModel,
    "Pose": PoseModel,
    "OBB": OBBModel,
    "Classify": ClassificationModel,
    "RTDETRDecoder": RTDETRDetectionModel,
}
"""Last layer of a model file, without the 26 of YOLO26's -> Ultralytics' class; any other is a DetectionModel's."""


def build_network(
    architecture: str, num_classes: int | None = None, keypoints: tuple[int, int] | None = None
) -> nn.Module:
    """A freshly initialised model, on the CPU.

    Args:
        architecture: an Ultralytics architecture file, such as yolo12n.yaml, or timm:NAME.
        num_classes: None takes the file's.
        keypoints: (points, numbers for each) of a model for poses; None takes the file's.

    Raises:
        InjectionError: Ultralytics does not know the architecture.
    """
    if architecture.startswith(PREFIX):
        return TimmClassifier(architecture, num_classes)
    try:
        cls: Any = _CLASSES.get(head_of(architecture), DetectionModel)
        more = {"data_kpt_shape": keypoints} if cls is PoseModel and keypoints else {}
        return cls(architecture, nc=num_classes, verbose=False, **more)  # type: ignore[no-any-return]
    except FileNotFoundError as error:
        raise InjectionError(
            f"model.architecture={architecture} is not an architecture that Ultralytics knows: {error}. "
            "Expected a file such as yolo12n.yaml."
        ) from error


def head_of(architecture: str) -> str:
    """The last layer of an architecture, which says what the model is for; without the 26 of YOLO26's.

    Raises:
        FileNotFoundError: Ultralytics does not know the architecture.
    """
    return str(yaml_model_load(architecture)["head"][-1][2]).removesuffix("26")
