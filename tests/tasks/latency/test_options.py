"""Options of task=latency that can't work, and paths from the user's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdpa_exp.errors import ConfigError
from sdpa_exp.tasks.latency import Latency
from sdpa_exp.tasks.latency.setups import Setup, arms_of, setups_of
from tests.tasks.planning import plan_of


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("latency.weights=nowhere.pt", "nowhere.pt can't work: expected a checkpoint that exists"),
        ("latency.source=nowhere", "nowhere can't work: expected an image, a folder or a video that exists"),
        ("latency.batches=[0]", "latency.batches=0 can't work: expected 1 or more. Set latency.batches=[1,8]"),
        ("latency.batches=[]", "latency.batches=[] can't work: expected one or more values"),
        ("latency.precisions=[bf16]", "latency.precisions=bf16 can't work: expected one of fp32, fp16"),
        ("latency.arms=[flsh]", "latency.arms=flsh can't work: expected one of auto, cudnn"),
        ("latency.imgsz=100", "latency.imgsz=100 can't work: expected a multiple of 32 from 32 on"),
        ("latency.conf=1.5", "latency.conf=1.5 can't work: expected a confidence"),
        ("latency.nms=true", "latency.nms=true can't work: expected null or false"),
        ("latency.num_images=0", "latency.num_images=0 can't work: expected 1 or more"),
        ("latency.num_batches=0", "latency.num_batches=0 can't work: expected 1 or more"),
        ("latency.time_limit_s=0", "latency.time_limit_s=0.0 can't work: expected 1 or more"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(override: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of("task=latency", override, run_dir=tmp_path)
    assert sentence in str(caught.value)


def test_paths_are_taken_from_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "best.pt").touch()
    plan = plan_of("task=latency", "latency.weights=best.pt", "latency.source=.", run_dir=tmp_path)
    assert Latency.of(plan).weights == str(tmp_path / "best.pt")
    assert Latency.of(plan).source == str(tmp_path)


def test_the_arms_are_the_baseline_the_plans_own_and_those_named(tmp_path: Path) -> None:
    plan = plan_of("task=latency", "attention=flash", run_dir=tmp_path)
    assert arms_of(plan) == {"stock": "stock", "flash": "flash"}
    plan = plan_of("task=latency", "attention=flash", "latency.arms=[stock,eager,flash]", run_dir=tmp_path)
    assert list(arms_of(plan)) == ["stock", "flash", "eager"]
    plan = plan_of("task=latency", "attention=flash", "baseline=eager", run_dir=tmp_path)
    assert list(arms_of(plan)) == ["eager", "flash"]
    assert list(arms_of(plan_of("task=latency", "attention=stock", run_dir=tmp_path))) == ["stock"]


def test_a_gpu_gets_both_precisions_and_memory_formats_and_a_cpu_what_ultralytics_chooses(tmp_path: Path) -> None:
    words = [s.words for s in setups_of(plan_of("task=latency", "hardware.device=cuda:0", run_dir=tmp_path))]
    assert words == ["fp32, NCHW", "fp32, channels_last", "fp16, NCHW", "fp16, channels_last"]
    plan = plan_of("task=latency", "hardware=cpu", run_dir=tmp_path)
    assert setups_of(plan) == [Setup(precision="fp32", channels_last=None)]
