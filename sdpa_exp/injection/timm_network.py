"""A classifier of timm that answers as Ultralytics' classifiers do: a batch's loss, or scores of images."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from sdpa_exp.errors import ConfigError, InjectionError

PREFIX = "timm:"  # as config/timm_models.py has it, which knows nothing of PyTorch


class TimmClassifier(nn.Module):
    """One of timm's classifiers with fresh weights, for images of any size that its patches divide, where it has that.

    Args:
        architecture: timm:NAME.
        num_classes: None takes timm's own number.

    Raises:
        InjectionError: timm is not installed, or has no such model.
    """

    def __init__(self, architecture: str, num_classes: int | None) -> None:
        super().__init__()
        self.yaml = {"yaml_file": architecture, "nc": num_classes}  # where inject, as with Ultralytics', looks
        self.name = architecture.removeprefix(PREFIX)
        self.network = _create(self.name, num_classes)
        self.yaml["nc"] = self.network.num_classes

    def forward(self, x: Any) -> Any:
        """(B, 3, H, W) to scores (B, classes); an Ultralytics batch to its loss, and that without a gradient.

        Raises:
            ConfigError: the model can't take images of this size.
        """
        if isinstance(x, dict):
            return self.loss(x)
        try:
            return self.network(x)
        except (AssertionError, ValueError) as error:
            height, width = x.shape[-2:]
            own = self.network.default_cfg["input_size"][-1]
            raise ConfigError(
                f"{PREFIX}{self.name} can't take images of {width} x {height} px ({' '.join(str(error).split())}): "
                f"expected {own}, which it was made for. Set bench.imgsz=[{own}] or train.imgsz={own}."
            ) from error

    def loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Cross-entropy of a batch."""
        loss = F.cross_entropy(self(batch["img"]).float(), batch["cls"])
        return loss, loss.detach()


def _create(name: str, num_classes: int | None) -> Any:
    try:
        import timm
    except ImportError as error:
        raise InjectionError(
            f"{PREFIX}{name} needs timm: {error}. Install it with pip install 'sdpa-exp[timm]'."
        ) from error
    classes = {} if num_classes is None else {"num_classes": num_classes}
    try:
        return timm.create_model(name, **classes, dynamic_img_size=True)
    except TypeError:  # a model without that option has one size, or takes all
        return timm.create_model(name, **classes)
    except RuntimeError as error:
        raise InjectionError(
            f"{PREFIX}{name} can't be built by timm: {error}. Choose another of timm.list_models()."
        ) from error
