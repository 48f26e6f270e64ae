"""The environment names the GPU that the run uses, which telemetry then reads."""

from __future__ import annotations

import types
from typing import Any

import pytest
import torch

from sdpa_exp.runs.environment import collect_environment


@pytest.mark.parametrize(("device", "uuid"), [("cuda:1", "GPU-second"), ("cuda:0", "GPU-first"), ("cpu", "GPU-first")])
def test_the_gpu_in_the_environment_is_the_one_of_the_plan(
    monkeypatch: pytest.MonkeyPatch, device: str, uuid: str
) -> None:
    def properties(asked: Any) -> Any:
        index = asked if isinstance(asked, int) else torch.device(asked).index
        name = ("first", "second")[index]
        return types.SimpleNamespace(name=name, uuid=name, major=9, minor=0, total_memory=2**30)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: None)
    assert collect_environment(device)["gpu_uuid"] == uuid
