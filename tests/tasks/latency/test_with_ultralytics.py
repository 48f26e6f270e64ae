"""Our prediction path against `yolo predict` itself: the same boxes, and about the same times."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ultralytics import YOLO
from ultralytics.nn.tasks import load_checkpoint

from sdpa_exp.tasks.latency.arm import Arm, Options
from sdpa_exp.tasks.latency.source import read_source, to_batches
from tests.tasks.latency.frames import write_images
from tests.tasks.latency.running import write_checkpoint


def built(weights: Path, run_dir: Path, imgsz: int) -> Arm:
    network, _ = load_checkpoint(str(weights))
    options = Options(
        device=torch.device("cpu"),
        imgsz=imgsz,
        precision="fp32",
        channels_last=None,
        conf=0.25,
        nms=None,
        run_dir=run_dir,
    )
    return Arm(copy.deepcopy(network), "stock", options)


def test_the_boxes_are_those_of_yolo_predict_bit_by_bit(tmp_path: Path) -> None:
    weights = write_checkpoint(tmp_path / "best.pt", imgsz=96, score=0.5)
    write_images(tmp_path / "images", 3, (96, 64))
    arm = built(weights, tmp_path, 96)
    ours = [
        result
        for batch in to_batches(read_source(tmp_path / "images", 3).frames, 1)
        for result in arm.outputs(batch)[1]
    ]
    theirs: list[Any] = YOLO(weights).predict(tmp_path / "images", imgsz=96, device="cpu", verbose=False)
    assert [result.path for result in ours] == [result.path for result in theirs]
    assert sum(len(result.boxes) for result in ours) > 3
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine.boxes.data, other.boxes.data)
        assert mine.names == other.names


@pytest.mark.slow
def test_the_models_median_time_is_that_of_ultralytics_own_clock(tmp_path: Path) -> None:
    """Within a factor of 1.5, alternating: both clock the same call; what is left is noise of a shared machine."""
    weights = write_checkpoint(tmp_path / "best.pt", imgsz=320)
    write_images(tmp_path / "images", 4, (320, 320))
    arm = built(weights, tmp_path, 320)
    yolo = YOLO(weights)
    batches = to_batches(read_source(tmp_path / "images", 4).frames, 1)
    ours, theirs = [], []
    for batch in itertools.chain(*[batches] * 5):
        ours.append(1e3 * arm.run(batch).model_s)
        (result,) = yolo.predict(batch.paths[0], imgsz=320, device="cpu", verbose=False)
        theirs.append(result.speed["inference"])
    ratio = np.median(ours[4:]) / np.median(theirs[4:])
    assert 1 / 1.5 < ratio < 1.5
