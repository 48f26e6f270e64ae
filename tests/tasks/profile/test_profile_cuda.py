"""On a GPU: the parts of a step are kernel times and idle time, and torch's own memory counters are there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tasks.profile.profiling import profiled

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and this machine has none"),
]


@pytest.mark.parametrize("arm", ["stock", "sdpa"])
def test_kernel_times_and_idle_time_add_up_to_the_step(
    arm: str, no_trackers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDPA_EXP_CACHE", str(tmp_path / "cache"))
    overrides = ("hardware=auto", "hardware.device=cuda", "hardware.batch=2", "hardware.workers=2")
    run = profiled(tmp_path, f"attention={arm}", *overrides)
    step, memory = run.breakdown, run.content["memory"]
    assert sum(share.total_s for share in step.shares) == pytest.approx(step.step_s, rel=0.01)
    assert step.busy_s is not None
    assert 0 < step.busy_s <= step.step_s
    launched = [event for event in run.events.key_averages() if event.device_type.name == "CPU"]
    launched_s = 1e-6 * sum(event.self_device_time_total for event in launched)
    assert step.busy_s * len(step.steps_s) == pytest.approx(launched_s, rel=0.05)  # one stream: kernels don't overlap
    assert len(step.product_by_layer) == 8
    assert memory["peak_reserved"] >= memory["peak"] >= memory["saved"]
    assert memory["device_used"] >= memory["peak_reserved"]
