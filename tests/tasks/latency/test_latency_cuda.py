"""On a GPU: both precisions and memory formats, and a kernel that runs in one of them only."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tasks.latency.running import run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and this machine has none"),
]


def test_flash_predicts_in_fp16_in_both_memory_formats_and_not_in_fp32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDPA_EXP_CACHE", str(tmp_path / "cache"))
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("the flash kernel needs compute capability 8.0")
    _, content = run(tmp_path, "hardware=auto", "attention=flash")
    assert [v["setup"] for v in content["variants"] if "flash" in v["arms"]] == ["fp16, NCHW", "fp16, channels_last"]
    assert {item["setup"] for item in content["not_run"]} == {"fp32, NCHW", "fp32, channels_last"}
    assert content["attestation"]["flash"]["ok"]
