"""Options of task=predict that can't work, and paths from the user's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdpa_exp.errors import ConfigError
from sdpa_exp.tasks.predict import Predict
from sdpa_exp.tasks.predict.setups import Setup, arms_of, setups_of
from tests.tasks.planning import plan_of


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("predict.weights=nowhere.pt", "nowhere.pt can't work: expected a checkpoint that exists"),
        ("predict.source=nowhere", "nowhere can't work: expected an image, a folder or a video that exists"),
        ("predict.batches=[0]", "predict.batches=0 can't work: expected 1 or more. Set predict.batches=[1,8]"),
        ("predict.batches=[]", "predict.batches=[] can't work: expected one or more values"),
        ("predict.precisions=[bf16]", "predict.precisions=bf16 can't work: expected one of fp32, fp16"),
        ("predict.arms=[flsh]", "predict.arms=flsh can't work: expected one of auto, cudnn"),
        ("predict.imgsz=100", "predict.imgsz=100 can't work: expected a multiple of 32 from 32 on"),
        ("predict.conf=1.5", "predict.conf=1.5 can't work: expected a confidence"),
        ("predict.nms=true", "predict.nms=true can't work: expected null or false"),
        ("predict.num_images=0", "predict.num_images=0 can't work: expected 1 or more"),
        ("predict.num_batches=0", "predict.num_batches=0 can't work: expected 1 or more"),
        ("predict.time_limit_s=0", "predict.time_limit_s=0.0 can't work: expected 1 or more"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(override: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of("task=predict", override, run_dir=tmp_path)
    assert sentence in str(caught.value)


def test_paths_are_taken_from_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "best.pt").touch()
    plan = plan_of("task=predict", "predict.weights=best.pt", "predict.source=.", run_dir=tmp_path)
    assert Predict.of(plan).weights == str(tmp_path / "best.pt")
    assert Predict.of(plan).source == str(tmp_path)


def test_the_arms_are_the_baseline_the_plans_own_and_those_named(tmp_path: Path) -> None:
    plan = plan_of("task=predict", "attention=flash", run_dir=tmp_path)
    assert arms_of(plan) == {"stock": "stock", "flash": "flash"}
    plan = plan_of("task=predict", "attention=flash", "predict.arms=[stock,eager,flash]", run_dir=tmp_path)
    assert list(arms_of(plan)) == ["stock", "flash", "eager"]
    plan = plan_of("task=predict", "attention=flash", "baseline=eager", run_dir=tmp_path)
    assert list(arms_of(plan)) == ["eager", "flash"]
    assert list(arms_of(plan_of("task=predict", "attention=stock", run_dir=tmp_path))) == ["stock"]


def test_a_gpu_gets_both_precisions_and_memory_formats_and_a_cpu_what_ultralytics_chooses(tmp_path: Path) -> None:
    words = [s.words for s in setups_of(plan_of("task=predict", "hardware.device=cuda:0", run_dir=tmp_path))]
    assert words == ["fp32, NCHW", "fp32, channels_last", "fp16, NCHW", "fp16, channels_last"]
    plan = plan_of("task=predict", "hardware=cpu", run_dir=tmp_path)
    assert setups_of(plan) == [Setup(precision="fp32", channels_last=None)]
