"""The names of job folders: every swept key, in letters that any file system and any shell takes."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from sdpa_exp.config.folders import swept_suffix


@pytest.mark.parametrize(
    ("swept", "overrides", "suffix"),
    [
        ([], ["attention=stock"], ""),
        (["attention", "seed", "attention.name"], ["attention=stock", "seed=0", "attention.name=x"], ""),
        (["train.imgsz"], ["train.imgsz=320", "train.epochs=3"], "_imgsz-320"),
        (["train.imgsz", "latency.imgsz"], ["train.imgsz=1", "latency.imgsz=2"], "_train.imgsz-1_latency.imgsz-2"),
        (["dataset.path"], ["dataset.path='/data/my set/é*'"], "_path-data_my_set"),
        (["bench.imgsz"], ["+bench.imgsz=[320, 640]"], "_imgsz-320_640"),
        (["name"], [f"name={'y' * 90}"], f"_name-{'y' * 40}"),
        ([f"key{num}" for num in range(9)], [f"key{num}={'y' * 90}" for num in range(9)], None),
    ],
)
def test_a_suffix_is_plain_and_short(swept: list[str], overrides: list[str], suffix: str | None) -> None:
    job = {"callbacks": {"sdpa_exp": {"swept": swept}}, "overrides": {"task": overrides}}
    found = swept_suffix(OmegaConf.create({"hydra": job}))
    assert len(found) <= 100
    assert suffix is None or found == suffix
