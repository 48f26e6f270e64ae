"""A training that can meet PyTorch's wrong batch norm gradient says so before it starts, with what helps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sdpa_exp.compare.findings.recorded import recorded
from sdpa_exp.compare.load.groups import GroupRuns
from sdpa_exp.compare.load.run import Run
from sdpa_exp.tasks.batch_norm import CODE, batch_norm_warning
from tests.tasks.planning import plan_of


def warning(tmp_path: Path, *overrides: str, images: int = 32, **hardware: object) -> str | None:
    plan = plan_of("hardware=cpu", "attention=stock", *overrides, run_dir=tmp_path)
    plan = dataclasses.replace(plan, hardware=dataclasses.replace(plan.hardware, **hardware))  # type: ignore[arg-type]
    return batch_norm_warning(plan, num_train_images=images)


@pytest.mark.parametrize(
    ("overrides", "images", "where"),
    [
        (["hardware.batch=1"], 32, "hardware.batch=1 gives every step one image, however many steps train.nbs gathers"),
        (["hardware.batch=1", "train.nbs=8"], 32, "hardware.batch=1 gives every step one image"),
        (["hardware.batch=8"], 33, "the last batch of every epoch has one image (33 in batches of 8)"),
    ],
)
def test_stock_on_a_cpu_in_nchw_with_one_image_is_told_what_helps(
    overrides: list[str], images: int, where: str, tmp_path: Path
) -> None:
    found = warning(tmp_path, *overrides, images=images)
    assert found is not None
    assert found.startswith(where)
    assert "Take another batch size, or attention=stock_fixed, which is stock without that fault" in found


@pytest.mark.parametrize(
    ("overrides", "images"),
    [
        (["hardware.batch=8"], 32),
        (["hardware.batch=8", "train.compile=true"], 33),  # Ultralytics drops the last batch then
        (["hardware.batch=1", "attention=stock_fixed"], 32),
        (["hardware.batch=1", "attention=sdpa"], 32),
        (["hardware.batch=1", "model=yolo11n"], 32),  # no areas
        (["hardware.batch=1", "model=rtdetr_l"], 32),
    ],
)
def test_others_are_not_bothered(overrides: list[str], images: int, tmp_path: Path) -> None:
    assert warning(tmp_path, *overrides, images=images) is None


def test_on_mps_it_is_channels_last_that_is_reported_wrong(tmp_path: Path) -> None:
    found = warning(tmp_path, "attention=sdpa", "hardware.batch=8", device="mps")
    assert found is not None
    assert "pytorch/pytorch/issues/175189" in found
    assert warning(tmp_path, "hardware.batch=8", device="mps") is None


def test_a_comparison_of_such_runs_carries_the_finding(tmp_path: Path) -> None:
    message = warning(tmp_path, "hardware.batch=1") or ""
    told = [{"code": CODE, "message": message}]
    runs = [
        Run(arm="stock", seed=0, folder=tmp_path, status="FINISHED", warnings=told),
        Run(arm="sdpa", seed=0, folder=tmp_path, status="FINISHED"),
    ]
    (finding,) = recorded(GroupRuns(group_id="g", runs=tuple(runs), settings={}))
    assert (finding.code, finding.severity) == (CODE, "warning")
    assert finding.sentence.startswith("stock seed 0: hardware.batch=1 gives every step one image")
