"""optimizer=auto, made explicit, is the optimiser that Ultralytics would have built."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ultralytics.models.yolo.detect import DetectionTrainer

from sdpa_exp.injection.build import build_network
from sdpa_exp.tasks.optimizer_rule import explicit_optimizer

NETWORK = build_network("yolo12n.yaml", num_classes=1)


def _built(arguments: dict[str, Any], *, num_classes: int, updates: int) -> tuple[str, list[dict[str, Any]], float]:
    """Ultralytics' optimiser, its groups without parameters, and the learning rate that biases begin with."""
    defaults = {"optimizer": "auto", "lr0": 0.01, "momentum": 0.937, "warmup_bias_lr": 0.1}
    trainer: Any = DetectionTrainer.__new__(DetectionTrainer)
    trainer.args, trainer.data = SimpleNamespace(**(defaults | arguments)), {"nc": num_classes}
    optimizer = trainer.build_optimizer(
        NETWORK,
        name=trainer.args.optimizer,
        lr=trainer.args.lr0,
        momentum=trainer.args.momentum,
        iterations=updates,
    )
    groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    return type(optimizer).__name__, groups, trainer.args.warmup_bias_lr


@pytest.mark.parametrize(("num_images", "num_classes", "updates"), [(999, 1, 1600), (999, 80, 1600), (9000, 3, 14100)])
def test_the_rule_gives_the_optimiser_that_auto_gives(num_images: int, num_classes: int, updates: int) -> None:
    arguments = {"batch": 16, "nbs": None, "epochs": 100}
    found = explicit_optimizer(arguments, num_images=num_images, num_classes=num_classes)
    assert found is not None
    explicit, sentence = found
    auto = _built({}, num_classes=num_classes, updates=updates)
    mine = _built(explicit, num_classes=num_classes, updates=updates)
    if explicit["optimizer"] == "MuSGD":  # the warm-up leads its momentum from 0.8 to `momentum` in both
        for group in [*auto[1], *mine[1]]:
            del group["momentum"]
    assert mine == auto
    assert f"train.lr0={explicit['lr0']} " in sentence
    assert f"for {updates} updates and {num_classes} class" in sentence


def test_a_named_optimizer_stays_and_a_part_of_the_images_counts_as_such() -> None:
    arguments = {"batch": 16, "optimizer": "SGD"}
    assert explicit_optimizer(arguments, num_images=10, num_classes=1) is None
    for fraction, updates in ((0.5, 8), (128, 2)):
        found = explicit_optimizer({"batch": 16, "fraction": fraction, "epochs": 1}, num_images=1000, num_classes=1)
        assert found is not None
        assert f"for {updates} updates and 1 class." in found[1]
