"""Every Ultralytics training argument that is not a fact of another group, as a typed key.

`None` means Ultralytics' own default. The other arguments belong to groups (`model`, `data`, `batch`, `workers`,
`cache`, `device`, `amp`, `channels_last`) or to us (`seed`, `project`, `name`, `exist_ok`, `resume`, `pretrained`).
Source: ultralytics/cfg/default.yaml of the pinned version; a test compares the two.
"""

# ruff: noqa: UP045 - OmegaConf 2.3 reads annotations at run time and wants Optional
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional


@dataclass
class TrainConfig:
    """The recipe: `name` is ours, all other keys are passed to Ultralytics as they are."""

    name: str = "???"
    epochs: Optional[int] = None
    time: Optional[float] = None
    patience: Optional[int] = None
    imgsz: Optional[int] = None
    save: Optional[bool] = None
    save_period: Optional[int] = None
    cls_remap: Optional[bool] = None
    optimizer: Optional[str] = None
    deterministic: Optional[bool] = None
    single_cls: Optional[bool] = None
    rect: Optional[bool] = None
    cos_lr: Optional[bool] = None
    close_mosaic: Optional[int] = None
    fraction: Any = None
    freeze: Any = None
    multi_scale: Optional[float] = None
    compile: Any = None
    overlap_mask: Optional[bool] = None
    mask_ratio: Optional[int] = None
    dropout: Optional[float] = None
    val: Optional[bool] = None
    split: Optional[str] = None
    save_json: Optional[bool] = None
    conf: Optional[float] = None
    iou: Optional[float] = None
    max_det: Optional[int] = None
    quantize: Any = None
    plots: Optional[bool] = None
    nms: Optional[bool] = None
    lr0: Optional[float] = None
    lrf: Optional[float] = None
    momentum: Optional[float] = None
    weight_decay: Optional[float] = None
    warmup_epochs: Optional[float] = None
    warmup_momentum: Optional[float] = None
    warmup_bias_lr: Optional[float] = None
    distill_model: Optional[str] = None
    dis: Optional[float] = None
    box: Optional[float] = None
    cls: Optional[float] = None
    cls_pw: Optional[float] = None
    dfl: Optional[float] = None
    pose: Optional[float] = None
    kobj: Optional[float] = None
    rle: Optional[float] = None
    angle: Optional[float] = None
    dlog: Optional[float] = None
    dgrad: Optional[float] = None
    dlam: Optional[float] = None
    nbs: Optional[int] = None
    hsv_h: Optional[float] = None
    hsv_s: Optional[float] = None
    hsv_v: Optional[float] = None
    degrees: Optional[float] = None
    translate: Optional[float] = None
    scale: Any = None
    shear: Optional[float] = None
    perspective: Optional[float] = None
    flipud: Optional[float] = None
    fliplr: Optional[float] = None
    bgr: Optional[float] = None
    mosaic: Optional[float] = None
    mixup: Optional[float] = None
    cutmix: Optional[float] = None
    copy_paste: Optional[float] = None
    copy_paste_mode: Optional[str] = None
    auto_augment: Optional[str] = None
    erasing: Optional[float] = None
