"""What Ultralytics' trainer does unasked when it builds its loaders, with a warning at most; here each is an error.

Read in Ultralytics 8.4.190: data/base.py leaves out the cache where memory or disk is short, data/dataset.py every
image that it finds corrupt; engine/trainer.py ignores layers to freeze that there are not, and channels_last off CUDA;
models/yolo/detect/val.py raises max_det for the last evaluation alone.
"""

from __future__ import annotations

import random
from typing import Any

from ultralytics.utils.torch_utils import unwrap_model

from sdpa_exp.errors import ConfigError, DatasetError, RunError
from sdpa_exp.injection.fit import check_sizes, training_sizes

_NUM_NAMED = 3


def refuse_what_was_not_asked(trainer: Any) -> None:
    """Look at a trainer whose loaders were just built.

    Raises:
        ConfigError: image sizes that a layer can't take, or an option that would be ignored.
        DatasetError: images were left out.
        RunError: the images were not cached as asked.
    """
    args, model = trainer.args, unwrap_model(trainer.model)
    before = random.getstate()  # listing images draws some of them to time the disk: the training must not notice
    try:
        for loader in (trainer.train_loader, trainer.test_loader):
            _refuse_left_out(loader.dataset, args.fraction)
            _refuse_no_cache(loader.dataset, args.cache)
    finally:
        random.setstate(before)
    _refuse_ignored(trainer)
    shapes = getattr(trainer.test_loader.dataset, "batch_shapes", [])  # none where each image is cut to a square
    validated = [(int(height), int(width)) for height, width in shapes]
    check_sizes(model, [*training_sizes(args.imgsz, args.multi_scale), *validated], key="train.imgsz")


def _refuse_left_out(dataset: Any, fraction: object) -> None:
    if hasattr(dataset, "im_files"):
        kept, found = set(dataset.im_files), dataset.get_img_files(dataset.img_path)
    elif fraction != 1.0:  # a ClassificationDataset takes its share itself
        return
    else:
        kept, found = {sample[0] for sample in dataset.samples}, [file for file, _ in dataset.base.samples]
    left_out = [file for file in found if file not in kept]
    if left_out:
        named = ", ".join(left_out[:_NUM_NAMED]) + (", ..." if len(left_out) > _NUM_NAMED else "")
        raise DatasetError(
            f"Ultralytics left out {len(left_out)} of {len(left_out) + len(kept)} images as corrupt: {named}. The log "
            "above says why for each: repair or remove them."
        )


def _refuse_no_cache(dataset: Any, asked: object) -> None:
    if asked and not (getattr(dataset, "cache", None) or _keeps(dataset)):
        name = "ram" if asked is True else asked
        raise RunError(
            f"hardware.cache={name} was asked for and Ultralytics would go on without: there is too little room, or it "
            "may not write, as the log above says. Runs with and without a cache don't compare: make room, or set "
            "hardware.cache=none for all arms."
        )


def _keeps(dataset: Any) -> bool:
    """Whether a ClassificationDataset caches its images."""
    return bool(getattr(dataset, "cache_ram", False) or getattr(dataset, "cache_disk", False))


def _refuse_ignored(trainer: Any) -> None:
    args, network = trainer.args, unwrap_model(trainer.model)
    num_layers = len(getattr(network, "model", network))
    frozen = args.freeze if isinstance(args.freeze, list) else [args.freeze - 1] if isinstance(args.freeze, int) else []
    unknown = [layer for layer in frozen if not 0 <= int(layer) < num_layers]
    if unknown and args.freeze:
        raise ConfigError(
            f"train.freeze={args.freeze} names layers that the model has not: it has {num_layers}, counted from 0, and "
            "Ultralytics would freeze none instead. Correct the number."
        )
    if args.channels_last and trainer.device.type != "cuda":
        raise ConfigError(
            f"hardware.channels_last=true is for CUDA, and Ultralytics would ignore it on {trainer.device.type}. "
            "Set hardware.channels_last=null."
        )
    labels = getattr(trainer.test_loader.dataset, "labels", [])  # of boxes
    most = max((len(label["cls"]) for label in labels), default=0)
    if most > args.max_det:
        raise ConfigError(
            f"An image of the split that is validated has {most} boxes, and train.max_det={args.max_det} keeps fewer: "
            f"recall would be capped in every epoch, and Ultralytics would raise it for best.pt alone. Set "
            f"train.max_det={most}."
        )
