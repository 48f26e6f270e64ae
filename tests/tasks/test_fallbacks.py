"""Ultralytics' silent fallbacks are errors here: NaN, out of memory, a batch that halves itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sdpa_exp.config.plan import Job
from sdpa_exp.data.prepare import prepare
from sdpa_exp.errors import RunError
from sdpa_exp.injection.trainer import AttentionTrainer
from sdpa_exp.tasks.training import train_arguments
from tests.tasks.test_preflight import plan_for


@pytest.fixture
def trainer(tmp_path: Path, no_trackers: None) -> AttentionTrainer:
    plan = plan_for("sdpa", job=Job(run_dir=str(tmp_path)))
    plan.train.imgsz, plan.train.epochs, plan.train.plots = 96, 1, False
    plan.hardware.batch, plan.hardware.workers = 4, 0
    arguments = train_arguments(plan, prepare(plan.dataset).yaml_path)
    return AttentionTrainer(backend="sdpa", overrides=arguments)


def test_a_nan_loss_ends_the_run_with_the_next_step(trainer: AttentionTrainer) -> None:
    def poison(trainer: Any) -> None:
        trainer.loss = trainer.loss * float("nan")

    trainer.add_callback("on_train_batch_end", poison)
    with pytest.raises(
        RunError, match=r"the loss is nan after epoch 1\..*Lower train\.lr0, or use hardware\.precision"
    ):
        trainer.train()


def test_out_of_memory_ends_the_run_instead_of_halving_the_batch(trainer: AttentionTrainer) -> None:
    def out_of_memory(trainer: Any) -> None:
        def fail(*args: Any, **kwargs: Any) -> None:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

        trainer.model.forward = fail

    trainer.add_callback("on_train_start", out_of_memory)
    with pytest.raises(RunError, match=r"out of memory in the first epoch: batch 4 .* Set hardware\.batch=2 or less"):
        trainer.train()


def test_a_model_that_cannot_be_compiled_ends_the_run_instead_of_training_uncompiled(
    trainer: AttentionTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", _no_compiler)
    trainer.args.compile = True
    with pytest.raises(RunError, match=r"train\.compile is on and the model is not compiled: .* install it, or take"):
        trainer.train()


def _no_compiler() -> None:
    raise RuntimeError("no working C++ compiler")
