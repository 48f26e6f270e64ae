"""accuracy.json beside the run folders of the other builders, made by the real summary."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from sdpa_exp.accuracy.summary import BestConfidence, ClassFigures, summarise
from sdpa_exp.runs.files import ACCURACY_FILE, write_json_atomic
from tests.accuracy.made import at_random

CLASSES = ("crop", "weed", "never <seen>")


def write_accuracy(run_dir: Path, *, seed: int, num_images: int = 30, is_evaluated: bool = True) -> Path:
    """A middling detector's accuracy.json; the third class has no labelled box."""
    predictions = dataclasses.replace(
        at_random(num_images=num_images, num_classes=2, seed=seed), class_names=dict(enumerate(CLASSES))
    )
    figures = [
        ClassFigures(
            label=label,
            precision=0.8,
            recall=0.7,
            f1=0.75,
            ap50=0.7 + seed / 1000,
            ap50_95=0.5 + label / 10 + seed / 1000,
            num_images=num_images,
            num_boxes=int((predictions.label_class == label).sum()),
        )
        for label in (0, 1)
    ]
    summary = summarise(
        predictions if is_evaluated else None,
        figures=figures if is_evaluated else (),
        best=BestConfidence(confidence=0.4, f1=0.75) if is_evaluated else None,
        epochs=[1, 2, 3, 4],
        curves={"mAP50-95": [0.1, 0.3, 0.5, 0.5], "mAP50": [0.2, 0.4, 0.6, 0.6]},
        why_not="best.pt was not evaluated",
    )
    write_json_atomic(run_dir / ACCURACY_FILE, summary.content)
    return run_dir
