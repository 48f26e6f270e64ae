"""What accuracy.json costs by size of the val split, on made-up predictions; prints JSON.

A middling detector: 8 boxes and 300 predictions an image, 3 classes (80 from 5,000 images on, as in COCO). Seconds are
the median of three calls.

    python -m benchmarks.accuracy_cost [--images 100,1000,5000]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata

import numpy as np

from sdpa_exp.accuracy.bootstrap import intervals
from sdpa_exp.accuracy.by_size import ap_by_size
from sdpa_exp.accuracy.predictions import Predictions

NUM_BOXES, NUM_PREDICTIONS, NUM_REPEATS = 8, 300, 3


def main() -> None:
    """Measure every size and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", default="100,1000,5000")
    sizes = []
    for num_images in map(int, parser.parse_args().images.split(",")):
        predictions = made(num_images, num_classes=80 if num_images >= 5000 else 3)
        sizes.append(
            {
                "num_images": num_images,
                "num_predictions": int(predictions.pred_class.size),
                "num_classes": len(predictions.class_names),
                "num_resamples": intervals(predictions).num_resamples,
                "intervals_s": _seconds(lambda split=predictions: intervals(split)),  # type: ignore[misc]
                "sizes_s": _seconds(lambda split=predictions: ap_by_size(split)),  # type: ignore[misc]
            }
        )
    versions = {name: metadata.version(name) for name in ("numpy", "faster-coco-eval")}
    print(json.dumps({"machine": platform.machine(), "versions": versions, "sizes": sizes}, indent=2))


def made(num_images: int, *, num_classes: int) -> Predictions:
    """Predictions near 80 % of the boxes, and at random elsewhere."""
    rng = np.random.default_rng(0)
    thresholds = np.linspace(0.5, 0.95, 10)
    label_image = np.repeat(np.arange(num_images), NUM_BOXES)
    label_class = rng.integers(0, num_classes, label_image.size)
    corner = rng.uniform(0, 500, (label_image.size, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 140, (label_image.size, 2))], axis=1)
    is_met = rng.random(label_image.size) < 0.8
    wrong = np.repeat(np.arange(num_images), NUM_PREDICTIONS - NUM_BOXES)
    wrong_corner = rng.uniform(0, 500, (wrong.size, 2))
    wrong_boxes = np.concatenate([wrong_corner, wrong_corner + rng.uniform(5, 140, (wrong.size, 2))], axis=1)
    ious = np.concatenate([rng.uniform(0.4, 1, int(is_met.sum())), np.zeros(wrong.size)])
    return Predictions(
        num_images=num_images,
        class_names={i: str(i) for i in range(num_classes)},
        pred_image=np.concatenate([label_image[is_met], wrong]),
        pred_class=np.concatenate([label_class[is_met], rng.integers(0, num_classes, wrong.size)]),
        pred_confidence=0.01 + 0.5 * ious + rng.uniform(0, 0.4, ious.size),
        pred_boxes=np.concatenate([boxes[is_met], wrong_boxes]),
        pred_is_hit=ious[:, None] >= thresholds,
        label_image=label_image,
        label_class=label_class,
        label_boxes=boxes,
    )


def _seconds(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(NUM_REPEATS):
        since_s = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - since_s)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
