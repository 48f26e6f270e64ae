"""Which recipe comes with which data set, and who may say otherwise."""

from __future__ import annotations

import pytest

from sdpa_exp.errors import ConfigError
from tests.config.composing import compose_plan

PHOTOGRAPHS = ("dataset=yolo_dir", "dataset.path=my/data.yaml")


@pytest.mark.parametrize(
    ("overrides", "recipe"),
    [
        ((), "quick"),
        (PHOTOGRAPHS, "own"),
        ((*PHOTOGRAPHS, "train.epochs=3"), "own"),
        ((*PHOTOGRAPHS, "train=quick"), "quick"),
        (("train=weeds3_100ep", *PHOTOGRAPHS), "weeds3_100ep"),
        ((*PHOTOGRAPHS, "experiment=study_a_replication"), "weeds3_20ep"),
        ((*PHOTOGRAPHS, "train=own", "experiment=study_a_replication"), "own"),
    ],
)
def test_photographs_get_a_recipe_of_their_own_unless_another_is_named(overrides: tuple[str, ...], recipe: str) -> None:
    assert compose_plan(*overrides).train.name == recipe


def test_the_recipe_for_photographs_leaves_the_batch_to_the_machine_and_the_demos_does_not() -> None:
    own, quick = compose_plan(*PHOTOGRAPHS), compose_plan(*PHOTOGRAPHS, "train=quick")
    assert (own.imgsz, own.train.mosaic, own.hardware.batch) == (640, 1.0, None)
    assert (quick.imgsz, quick.train.mosaic, quick.hardware.batch) == (160, 0.0, 8)


def test_fine_tuning_wants_weights_to_start_from() -> None:
    with pytest.raises(ConfigError, match=r"weights is missing: train=finetune .* Set model\.weights=path/to/best\.pt"):
        compose_plan("train=finetune")
    assert compose_plan("train=finetune", "model.weights=yolo12n.pt", "train.freeze=9").train.freeze == 9
