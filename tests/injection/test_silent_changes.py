"""What Ultralytics' trainer would do unasked is an error that names the option."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from sdpa_exp.errors import DatasetError, SdpaExpError
from sdpa_exp.injection.silent_changes import refuse_what_was_not_asked


def make_trainer(found: int = 2, kept: int = 2, cache: str | None = None, boxes: int = 1, **args: Any) -> Any:
    """A trainer whose loaders were just built."""
    files = [f"p{number}.png" for number in range(found)]
    dataset = SimpleNamespace(
        im_files=files[:kept],
        img_path="images/train",
        get_img_files=lambda place: files,
        cache=cache,
        labels=[{"cls": [0] * boxes}],
    )
    asked = {"cache": False, "freeze": None, "channels_last": None, "max_det": 300, "imgsz": 64, "multi_scale": 0.0}
    asked["fraction"] = 1.0
    return SimpleNamespace(
        args=SimpleNamespace(**asked | args),
        model=SimpleNamespace(model=nn.Sequential(*(nn.Identity() for _ in range(22))), named_modules=lambda: []),
        device=SimpleNamespace(type="cpu"),
        train_loader=SimpleNamespace(dataset=dataset),
        test_loader=SimpleNamespace(dataset=dataset),
    )


def test_a_trainer_that_did_what_was_asked_passes() -> None:
    refuse_what_was_not_asked(make_trainer(freeze=10))
    refuse_what_was_not_asked(make_trainer(cache="disk", freeze=[0, 21]))


def test_looking_moves_no_random_number_of_the_training() -> None:
    """Ultralytics' own listing of images draws some, to time the disk; it moved the demo's mAPs once."""
    trainer = make_trainer()
    listed = trainer.train_loader.dataset.get_img_files
    trainer.train_loader.dataset.get_img_files = lambda place: [random.random(), listed(place)][1]
    before = random.getstate()
    refuse_what_was_not_asked(trainer)
    assert random.getstate() == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"found": 3}, "left out 1 of 3 images as corrupt: p2.png. The log above says why"),
        ({"freeze": [30]}, "train.freeze=[30] names layers that the model has not: it has 22, counted from 0"),
        ({"freeze": 23}, "train.freeze=23 names layers that the model has not"),
        ({"channels_last": True}, "hardware.channels_last=true is for CUDA, and Ultralytics would ignore it on cpu"),
        ({"boxes": 301}, "has 301 boxes, and train.max_det=300 keeps fewer"),
    ],
)
def test_what_was_not_asked_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SdpaExpError) as caught:
        refuse_what_was_not_asked(make_trainer(**changes))
    assert words in str(caught.value)
    assert isinstance(caught.value, DatasetError) == ("found" in changes)


@pytest.mark.parametrize("asked", ["ram", "disk", True])
def test_a_cache_that_was_left_out_ends_the_run(asked: object) -> None:
    trainer = make_trainer()
    trainer.args.cache = asked
    name = "ram" if asked is True else asked
    with pytest.raises(SdpaExpError, match=f"hardware.cache={name} was asked for and Ultralytics would go on without"):
        refuse_what_was_not_asked(trainer)
