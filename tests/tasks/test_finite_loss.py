"""A loss that is not finite, or diverges: batch and first layer are recorded, and the run ends or leaves it out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sdpa_exp.callbacks.attach import attach
from sdpa_exp.callbacks.finite_loss import FiniteLoss
from sdpa_exp.data.prepare import prepare
from sdpa_exp.errors import RunError
from sdpa_exp.evidence.not_finite import first_gradient_not_finite, first_not_finite
from sdpa_exp.injection.trainer import AttentionTrainer
from sdpa_exp.runs.events import EventLog, read_events
from sdpa_exp.tasks.train.work import train
from sdpa_exp.tasks.training import train_arguments
from tests.tasks.in_process import run_task
from tests.tasks.planning import plan_of

TINY = ("experiment=smoke", "hardware=cpu", "hardware.batch=4", "dataset.num_train_images=12", "train.nbs=4")


class AtStep:
    """Does something in one step; stands before the watcher."""

    def __init__(self, step: int, event: str, action: Callable[[Any], None]) -> None:
        self._step, self._event, self._action = step, event, action
        self._num = 0

    def callbacks(self) -> dict[str, Callable[[Any], None]]:
        return {"on_train_batch_start": self._count, self._event: self._act}

    def _count(self, trainer: Any) -> None:
        self._num += 1

    def _act(self, trainer: Any) -> None:
        if self._num == self._step:
            self._action(trainer)


def training(folder: Path, planted: AtStep, *, goes_on: bool) -> tuple[Any, FiniteLoss]:
    plan = plan_of(*TINY, run_dir=folder)
    arguments = train_arguments(plan, prepare(plan.dataset).yaml_path)
    trainer = AttentionTrainer(backend="sdpa", overrides={**arguments, "workers": 0})
    watcher = FiniteLoss(EventLog(folder), folder, goes_on=goes_on)
    attach(trainer, planted, watcher)
    return trainer, watcher


def poison(trainer: Any) -> None:
    """From now until the end of the step, a layer puts out NaN."""
    layer = trainer.model.model[6].m[0][0].attn.qkv.conv
    hook = layer.register_forward_hook(lambda module, inputs, output: output * math.nan)
    trainer.add_callback("on_train_batch_end", lambda trainer: hook.remove())


def test_the_batch_is_left_out_and_the_layer_is_named_where_the_run_goes_on(tmp_path: Path, no_trackers: None) -> None:
    planted = AtStep(2, "on_train_batch_ready", poison)
    trainer, watcher = training(tmp_path, planted, goes_on=True)
    trainer.train()
    assert watcher.num_left_out == 1
    (entry,) = json.loads((tmp_path / "not_finite.json").read_text())["batches"]
    assert (entry["epoch"], entry["step"], entry["loss"]) == (1, 2, "nan")
    assert (entry["layer"], entry["module"]) == ("model.6.m.0.0.attn.qkv.conv", "Conv2d")
    assert len(entry["images"]) == 4
    (event,) = [each for each in read_events(tmp_path) if each["event"] == "not_finite"]
    assert event["layer"] == entry["layer"]
    assert all(torch.isfinite(value).all() for value in trainer.model.state_dict().values())
    assert "nan" not in trainer.csv.read_text()
    assert str(watcher.summary()).startswith("1 batches were left out of the training, since their loss")


@pytest.mark.slow
def test_gradients_that_are_not_finite_leave_their_batch_out_too(tmp_path: Path, no_trackers: None) -> None:
    def spoil(trainer: Any) -> None:
        next(trainer.model.model[8].parameters()).grad.fill_(math.inf)

    planted = AtStep(3, "on_optimizer_step_start", spoil)
    trainer, watcher = training(tmp_path, planted, goes_on=True)
    trainer.train()
    (entry,) = watcher.entries
    assert entry["layer"].startswith("model.8.")
    assert "the gradient of its weight is not finite, and the outputs of all layers are" in entry["sentence"]
    assert all(torch.isfinite(value).all() for value in trainer.model.state_dict().values())


def test_a_loss_that_grows_and_grows_ends_the_run_while_it_is_finite(tmp_path: Path, no_trackers: None) -> None:
    def grow(trainer: Any) -> None:
        trainer.loss = trainer.loss * 1e6

    planted = AtStep(2, "on_optimizer_step_start", grow)
    trainer, _ = training(tmp_path, planted, goes_on=False)
    with pytest.raises(RunError, match=r"the loss diverges: .* at the first batch, in epoch 1, step 2 \(.*Lower train"):
        trainer.train()


def test_an_attention_that_gives_nan_ends_its_run_with_the_first_batch(tmp_path: Path) -> None:
    (tmp_path / "nothing.py").write_text("def nothing(q, k, v, scale):\n    return v * float('nan')\n")
    words = (
        r"the loss is nan in epoch 1, step 1 \(.*\)\. First of all: model\.6\.m\.0\.0\.attn \(AAttn\): what it hands to"
    )
    with pytest.raises(RunError, match=words):
        run_task(train, tmp_path, *TINY, f"attention.backend={tmp_path}/nothing.py:nothing")
    assert (tmp_path / "not_finite.json").exists()


def test_the_first_layer_is_found_inside_a_module_that_hands_it_on_and_in_spoilt_weights() -> None:
    class Divides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.after = nn.Linear(2, 2), nn.BatchNorm1d(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.after(self.before(x) / 0)
            return out

    network = nn.Sequential(nn.Linear(2, 2), Divides(), nn.Linear(2, 2))
    x = torch.rand(3, 2)
    before = [buffer.clone() for buffer in network.buffers()]
    found = first_not_finite(network, lambda: network(x))
    assert (found.layer, found.module) == ("1", "Divides")
    assert "what it hands to 1.after is not finite" in found.how
    assert all(torch.equal(old, new) for old, new in zip(before, network.buffers(), strict=True))
    network(x).sum().backward()
    assert first_gradient_not_finite(network).layer == "2"
    with torch.no_grad():
        next(network.parameters())[0, 0] = math.nan
    assert first_not_finite(network, lambda: network(x)).is_lasting
    whole = nn.Sequential(nn.Linear(2, 2))
    assert first_not_finite(whole, lambda: whole(x)).layer is None
