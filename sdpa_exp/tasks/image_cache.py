"""Whether `hardware.cache=null` keeps the images in RAM; once for all plans that share their hardware."""

from __future__ import annotations

from collections.abc import Sequence

from sdpa_exp.config.plan import Plan
from sdpa_exp.data.prepare import prepare
from sdpa_exp.runs.limits import free_memory_bytes

# A step on a CPU may take half of what is free, and Ultralytics wants twice the images' size free to cache them.
_SHARE = 0.25
_CHANNELS = 3
NO_CACHE = ("none", "in RAM it makes training non-deterministic, on disk it fills a folder with unpacked images")


def asks_for_determinism(plan: Plan) -> bool:
    """Whether training shall repeat itself: Ultralytics' own default, so that null does."""
    return plan.determinism == "strict" or plan.train.deterministic is not False


def choose_cache(plans: Sequence[Plan]) -> tuple[str, str]:
    """`hardware.cache` for these plans, and why: ram where none asks for determinism and the images fit, else none.

    Never disk: it writes each image unpacked, in its full size, into a folder that outlives the run.

    Raises:
        DatasetError: a data set can't be used; it is looked at only where ram comes into question.
    """
    if any(asks_for_determinism(plan) for plan in plans):
        return NO_CACHE
    images_bytes, free_bytes = max(_images_bytes(plan) for plan in plans), free_memory_bytes()
    fits = images_bytes <= _SHARE * free_bytes
    why = f"the images take at most {images_bytes / 2**20:.1f} MiB as bytes in the training's size"
    verdict = "they may take" if fits else "too much: they may take"
    return (
        "ram" if fits else "none",
        f"{why}, and {verdict} {_SHARE:.0%} of {free_bytes / 2**30:.1f} GiB of free memory",
    )


def _images_bytes(plan: Plan) -> int:
    """What all images of train and val take as Ultralytics keeps them: the longer side has `train.imgsz` pixels."""
    prepared = prepare(plan.dataset, split=plan.train.split, purpose=plan.purpose)
    num_images = prepared.num_train_images + prepared.num_val_images
    return num_images * _CHANNELS * plan.imgsz**2
