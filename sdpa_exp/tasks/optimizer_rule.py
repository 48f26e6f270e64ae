"""optimizer=auto made explicit: what Ultralytics' rule comes to is known before the training, planned and recorded.

Source: `build_optimizer` and `_build_train_pipeline` in ultralytics/engine/trainer.py, 8.4.190. The rule sets AdamW's
momentum and leaves `momentum`, which the warm-up of MuSGD ends at, as it was.
"""

from __future__ import annotations

import math
from typing import Any

from sdpa_exp.text_report import counted

_NBS = 64  # Ultralytics' default
_EPOCHS = 100
_MANY = 10_000


def explicit_optimizer(
    arguments: dict[str, Any], *, num_images: int, num_classes: int
) -> tuple[dict[str, Any], str] | None:
    """The arguments that the rule stands for, and a sentence; None where an optimizer is named.

    Args:
        arguments: of the training, as Ultralytics takes them.
        num_images: of the train split.
        num_classes: of the data set.
    """
    if str(arguments.get("optimizer") or "auto").lower() != "auto":
        return None
    share = arguments.get("fraction")
    if isinstance(share, int):  # a number of images
        num_images = min(num_images, share)
    elif isinstance(share, float):
        num_images = max(1, round(num_images * share))
    batch, epochs = max(arguments["batch"], arguments.get("nbs") or _NBS), arguments.get("epochs") or _EPOCHS
    updates = math.ceil(num_images / batch) * epochs
    if updates > _MANY:
        found: dict[str, Any] = {"optimizer": "MuSGD", "lr0": 0.01}
    else:
        found = {"optimizer": "AdamW", "lr0": round(0.002 * 5 / (4 + num_classes), 6), "momentum": 0.9}
    found["warmup_bias_lr"] = 0.0
    words = " ".join(f"train.{key}={value}" for key, value in found.items())
    classes = counted(num_classes, "class", "classes")
    return found, (
        f"optimizer=auto comes to {words}: Ultralytics' rule for {counted(updates, 'update')} and {classes}. Set "
        "these to keep them when the number of epochs or images changes."
    )
