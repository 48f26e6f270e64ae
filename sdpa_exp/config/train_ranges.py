"""Numbers of a recipe that can't work, refused before anything starts; Ultralytics finds some late, and some never.

Source: CFG_FRACTION_KEYS and check_cfg in ultralytics/cfg/__init__.py of the pinned version; a test compares the two.
"""

from __future__ import annotations

import math
from dataclasses import fields

from sdpa_exp.config.refusing import at_least, refuse
from sdpa_exp.config.train_schema import TrainConfig

# fmt: off
FRACTIONS = frozenset({
    "dropout", "lr0", "lrf", "cls_pw", "momentum", "weight_decay", "warmup_momentum", "warmup_bias_lr", "hsv_h",
    "hsv_s", "hsv_v", "translate", "perspective", "flipud", "fliplr", "bgr", "mosaic", "mixup", "cutmix", "copy_paste",
    "erasing", "conf", "iou", "fraction", "multi_scale", "dlam",
})
# fmt: on
_LEAST = {"nbs": 1, "max_det": 1, "patience": 0, "warmup_epochs": 0, "close_mosaic": 0, "box": 0, "cls": 0, "dfl": 0}


def check_ranges(train: TrainConfig) -> None:
    """Refuse the first number out of its range.

    Raises:
        ConfigError: names it, and the range.
    """
    for field in fields(train):
        key, value = f"train.{field.name}", getattr(train, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not math.isfinite(value):
            refuse(key, value, "a finite number", f"Set {key}=null for Ultralytics' default.")
        if field.name == "fraction":
            if value <= 0 or (value > 1 and value != int(value)):
                refuse(key, value, "a share from 0 to 1, or a number of images", "Set train.fraction=null for all.")
        elif field.name in FRACTIONS and not 0 <= value <= 1:
            refuse(key, value, "a number from 0 to 1", f"Set {key}=null for Ultralytics' default.")
        if field.name in _LEAST:
            at_least(key, value, _LEAST[field.name], f"Set {key}=null for Ultralytics' default.")
