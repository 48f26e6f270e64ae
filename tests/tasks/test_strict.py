"""determinism=strict: bit-equal reruns, or an error that names what can't."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sdpa_exp.callbacks.data_stream import weights_digest
from sdpa_exp.config.plan import Job, Plan
from sdpa_exp.config.validate import check_plan
from sdpa_exp.data.prepare import prepare
from sdpa_exp.errors import ConfigError
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.determinism import reasons_against_strict
from sdpa_exp.injection.trainer import trainer_class
from sdpa_exp.tasks.preflight import check_arm
from sdpa_exp.tasks.training import train_arguments
from tests.tasks.test_preflight import plan_for


def strict_plan(backend: str = "flash", **changes: Any) -> Plan:
    return plan_for(backend, determinism="strict", **changes)


def train_two_steps(folder: Path, backend: str) -> tuple[str, tuple[bool, bool]]:
    """The digest of the weights after an epoch, and whether determinism was on and strict while it ran."""
    plan = strict_plan(backend, job=Job(run_dir=str(folder)))
    plan.train.imgsz, plan.train.epochs, plan.train.plots = 64, 1, False
    plan.hardware.batch, plan.hardware.workers = 2, 0
    trainer: Any = trainer_class(plan.model.architecture)(
        backend=backend, overrides=train_arguments(plan, prepare(plan.dataset).yaml_path), is_strict=True
    )
    states: list[tuple[bool, bool]] = []

    def look(trainer: Any) -> None:
        warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        states.append((torch.are_deterministic_algorithms_enabled(), not warn_only))

    digests: list[str] = []
    trainer.add_callback("on_train_batch_end", look)
    trainer.add_callback("on_train_end", lambda trainer: digests.append(weights_digest(trainer.model)))
    trainer.train()
    return digests[0], states[-1]


def test_two_strict_trainings_with_one_seed_end_with_the_same_bits(tmp_path: Path, no_trackers: None) -> None:
    first, state = train_two_steps(tmp_path / "first", "flash")
    second, _ = train_two_steps(tmp_path / "second", "flash")
    assert state == (True, True)
    assert first == second
    assert train_two_steps(tmp_path / "eager", "eager")[0] != first
    assert not torch.are_deterministic_algorithms_enabled()


def test_rtdetr_is_refused_on_cuda_by_name_and_runs_on_a_cpu() -> None:
    network = build_network("rtdetr-l.yaml", 3)
    (reason,) = reasons_against_strict(network, "cuda")
    assert reason.startswith("RT-DETR's decoder samples with grid_sample, whose backward pass on CUDA is not determin")
    assert reasons_against_strict(network, "cpu") == []


def test_preflight_refuses_what_strict_determinism_excludes(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU nothing is excluded, so the device type is pretended."""
    network = build_network("rtdetr-l.yaml", 3)
    monkeypatch.setattr(
        "sdpa_exp.tasks.preflight.reasons_against_strict",
        lambda network, device_type: reasons_against_strict(network, "cuda"),
    )
    check = check_arm(strict_plan("stock"), network)
    assert "attention=stock can't run here: RT-DETR's decoder samples with grid_sample" in check.sentence()
    assert check_arm(dataclasses.replace(strict_plan("stock"), determinism="default"), network).reasons == ()


def test_other_models_have_nothing_against_it() -> None:
    assert reasons_against_strict(nn.Sequential(copy.deepcopy(nn.Conv2d(3, 3, 1))), "cuda") == []


def test_a_determinism_that_does_not_exist_is_refused_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="determinism=strikt can't work: expected one of default, strict"):
        check_plan(plan_for("sdpa", determinism="strikt"))


def test_strict_with_ultralytics_determinism_switched_off_is_a_contradiction() -> None:
    plan = strict_plan()
    plan.train.deterministic = False
    with pytest.raises(ConfigError, match=r"determinism=strict and train\.deterministic=false contradict each other"):
        check_plan(plan)
