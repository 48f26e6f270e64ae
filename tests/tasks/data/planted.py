"""A small data set with one fault of each kind planted into it, and task=data on it in this process."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.data.work import data
from tests.data.small_field import YAML
from tests.tasks.planning import plan_of


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a run left behind; `error` is None where the exit code would be 0."""

    folder: Path
    content: dict[str, Any]
    outcome: Outcome
    error: DatasetError | None

    @property
    def codes(self) -> dict[str, dict[str, Any]]:
        """Findings by code."""
        return {each["code"]: each for each in self.content["findings"]}


def look(folder: Path, *overrides: str) -> Done:
    """Run task=data, with a run folder inside `folder`."""
    run_dir = folder / f"run{len(list(folder.glob('run*')))}"
    run_dir.mkdir()
    plan = plan_of("task=data", "data.num_shown=4", *overrides, run_dir=run_dir)
    event_log, outcome, error = EventLog(run_dir), Outcome(), None
    try:
        data(plan, event_log, outcome, started_perf_s=time.perf_counter())
    except DatasetError as refusal:
        error = refusal
    finally:
        event_log.close()
    file = run_dir / "data.json"
    content = json.loads(file.read_text()) if file.exists() else {}
    return Done(folder=run_dir, content=content, outcome=outcome, error=error)


def named(root: Path) -> tuple[str, str]:
    """The overrides that name a data set."""
    return "dataset=yolo_dir", f"dataset.path={root}"


def make_sound(root: Path, num_train: int = 24, num_val: int = 12) -> Path:
    """Smooth pictures that differ, each with a box of both classes."""
    rng = np.random.default_rng(3)
    for split, count in (("train", num_train), ("val", num_val)):
        (root / "images" / split).mkdir(parents=True)
        (root / "labels" / split).mkdir(parents=True)
        for i in range(count):
            coarse = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
            picture = coarse.resize((128, 96), Image.Resampling.BICUBIC)
            picture.save(root / "images" / split / f"p{i:02d}.jpg", quality=90)
            (root / "labels" / split / f"p{i:02d}.txt").write_text("0 0.5 0.5 0.25 0.5\n1 0.2 0.2 0.1 0.1\n")
    (root / "data.yaml").write_text(YAML)
    return root


def plant(root: Path) -> dict[str, str]:
    """One fault of each kind; code of the finding -> the file that it must name."""
    images, labels = root / "images", root / "labels"
    cut = (images / "train/p00.jpg").read_bytes()
    (images / "train/p00.jpg").write_bytes(cut[: len(cut) // 2])
    (images / "val/p00.jpg").write_text("no image")
    (labels / "train/p01.txt").write_text("0 0.5 0.5 0 0.5\n1 0.2 0.2 0.1 0.1\n")  # without width
    (labels / "train/p02.txt").write_text("7 0.5 0.5 0.2 0.5\n1 0.2 0.2 0.1 0.1\n")  # no such class
    (labels / "train/p03.txt").write_text("0 64 48 32 48\n")  # in pixels, and nothing else
    (labels / "train/p04.txt").write_text("0 1.02 0.5 0.2 0.5\n1 0.2 0.2 0.1 0.1\n")  # its middle is outside
    (labels / "train/p05.txt").write_text("0 0.95 0.5 0.2 0.5\n")  # sticks out
    (labels / "train/p06.txt").write_text("0 0.5 0.5 0.25 0.5\n1 0.2 0.2 0.1 0.1\n0 0.50 0.5 0.250 0.5\n")  # twice
    shutil.copyfile(images / "train/p07.jpg", images / "val/p01.jpg")
    shutil.copyfile(images / "train/p08.jpg", images / "train/p09.jpg")
    (labels / "train/p09.txt").write_text("")
    with Image.open(images / "train/p10.jpg") as picture:
        bright = picture.resize((100, 75)).point(lambda value: min(255, int(value * 1.1)))
        bright.save(images / "val/p02.jpg", quality=70)
    (labels / "train/p11.txt").unlink()
    return {
        "bad_images": "images/train/p00.jpg",
        "bad_lines": "images/train/p01.jpg",
        "bad_labels": "images/train/p03.jpg",
        "leaks": "images/val/p01.jpg",
        "outside": "images/train/p05.jpg",
        "duplicate_boxes": "images/train/p06.jpg",
        "same_images": "images/train/p09.jpg",
        "look_alike": "images/val/p02.jpg",
    }
