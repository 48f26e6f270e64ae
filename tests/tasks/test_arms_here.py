"""What can't work is refused before the libraries are imported that take most of a start."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sdpa_exp.errors import BackendUnavailable
from sdpa_exp.tasks.arms_here import require_an_arm
from sdpa_exp.tasks.sweep_hardware import choose_for_sweep
from tests.tasks.planning import plan_of
from tests.tasks.test_preflight import plan_for


def require(tmp_path: Path, *overrides: str) -> None:
    plan = plan_of("hardware=cpu", "hardware.precision=fp32", *overrides, run_dir=tmp_path)
    require_an_arm(replace(plan, job=replace(plan.job, overrides=overrides)))


@pytest.mark.parametrize("task", ["train", "verify", "profile", "latency"])
def test_an_arm_without_a_kernel_for_the_device_is_refused_by_every_task(tmp_path: Path, task: str) -> None:
    with pytest.raises(BackendUnavailable) as caught:
        require(tmp_path, f"task={task}", "attention=cudnn")
    assert str(caught.value) == (
        "attention=cudnn can't run here: it has no CPU kernel (it runs on CUDA). Nearest that runs here: "
        "attention=flash."
    )


def test_a_task_with_arms_of_its_own_is_refused_only_where_none_of_them_runs(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match=r"^none of the arms cudnn, flash4 can run here: cudnn: it has no CPU"):
        require(tmp_path, "task=bench", "bench.arms=[cudnn,flash4]")
    require(tmp_path, "task=bench", "bench.arms=[cudnn,sdpa]")
    with pytest.raises(BackendUnavailable, match="attention=cudnn can't run here"):
        require(tmp_path, "task=latency", "latency.arms=[cudnn]")
    require(tmp_path, "task=latency", "latency.arms=[cudnn]", "attention=sdpa")
    require(tmp_path, "task=data", "attention=cudnn")


def test_a_training_is_refused_for_its_precision_and_a_task_with_its_own_is_not(tmp_path: Path) -> None:
    plan = plan_for("identity")
    with pytest.raises(BackendUnavailable, match="it is a floor for benchmarks and can't be trained with"):
        require_an_arm(plan)
    require(tmp_path, "task=bench", "bench.arms=[identity]")


def test_data_are_looked_at_without_torch_and_arms_without_ultralytics() -> None:
    code = (
        "import sys, sdpa_exp.data.prepare; print('torch' in sys.modules); import sdpa_exp.tasks.arms_here, "
        f"{choose_for_sweep.__module__}; print('ultralytics' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", "False"], done.stderr
