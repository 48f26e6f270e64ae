"""The matrix, the tables, and the whole task from the command line."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sdpa_exp.attention.registry import BACKENDS
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.errors import InjectionError
from sdpa_exp.runs.record import read_record
from sdpa_exp.tasks.doctor.matrix import availability, step_for
from sdpa_exp.tasks.doctor.report import render_doctor
from sdpa_exp.tasks.doctor.work import examine
from tests.tasks.doctor.machines import HEALTHY
from tests.tasks.planning import plan_of

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    plan = plan_of("hardware=cpu", "task=doctor", run_dir=tmp_path_factory.mktemp("run"))
    return availability(plan)


def test_the_matrix_has_every_backend_and_the_models_real_shapes(matrix: dict[str, Any]) -> None:
    assert set(matrix["backends"]) == set(BACKENDS)
    assert matrix["num_layers"] == 8
    assert matrix["shapes"] == [[2, 32, 32], [4, 32, 32]]


def test_a_backend_that_runs_names_its_kernel_and_one_that_does_not_its_reasons(matrix: dict[str, Any]) -> None:
    assert matrix["backends"]["flash"]["precisions"]["fp32"] == {"reasons": [], "kernel": "flash"}
    efficient = matrix["backends"]["efficient"]
    assert efficient["precisions"]["bf16"]["reasons"] == ["it has no CPU kernel (it runs on CUDA)"]
    assert efficient["step"] == "a CUDA GPU: a T4 or RTX 20 (compute capability 7.5)"


def test_the_step_that_helps_is_the_nearest_one() -> None:
    setting = Setting(device_type="cuda", capability=(8, 0), dtype=torch.float32, head_dim_qk=32, head_dim_v=32)
    assert step_for(BACKENDS["eager"], [setting]) is None
    if not torch.cuda.is_available():  # PyTorch itself can't be asked about CUDA here
        flash = dataclasses.replace(BACKENDS["flash"], confirm=None)
        assert step_for(flash, [setting]) == "hardware.precision=fp16"
        t4 = dataclasses.replace(setting, capability=(7, 5))
        step = "a CUDA GPU in bf16 or fp16: an A100, RTX 30 or newer (compute capability 8.0)"
        assert step_for(flash, [t4]) == step


def test_a_model_without_layers_is_refused_by_name(tmp_path: Path) -> None:
    plan = plan_of("hardware=cpu", "task=doctor", run_dir=tmp_path)
    plan = dataclasses.replace(plan, model=dataclasses.replace(plan.model, name="yolov8n", architecture="yolov8n.yaml"))
    with pytest.raises(InjectionError, match="yolov8n has no attention layers"):
        availability(plan)


@pytest.mark.parametrize("columns", [80, 140])
def test_tables_fit_the_terminal(columns: int, matrix: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    content = {
        "arm": "sdpa",
        "model": "yolo12n",
        "can_run": True,
        "obstacles": [],
        "matrix": matrix,
        "findings": [dataclasses.asdict(finding) for finding in examine(HEALTHY)],
    }
    text = render_doctor(content)
    assert max(len(line) for line in text.splitlines()) <= columns
    assert "…" not in text
    assert f"verdict: attention=sdpa model=yolo12n in fp32 on cpu, batch {matrix['batch']} can run here" in text


def doctor(folder: Path, *overrides: str) -> tuple[int, str, Path]:
    line = ["task=doctor", "doctor.network=false", f"hydra.run.dir={folder / 'run'}", *overrides]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SDPA_EXP_CACHE": str(folder / "cache"), "COLUMNS": "100"}
    command = [sys.executable, "-m", "sdpa_exp", *line]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr, folder / "run"


def test_a_configuration_that_cannot_run_ends_with_1_and_the_whole_table(tmp_path: Path) -> None:
    code, said, run_dir = doctor(tmp_path, "attention=efficient", "hardware=cpu")
    assert code == 1
    assert "CAN'T RUN here" in said
    assert "it has no CPU kernel (it runs on CUDA). Next step: a CUDA GPU" in " ".join(said.split())
    content = json.loads((run_dir / "doctor.json").read_text())
    assert not content["can_run"]
    assert content["matrix"]["backends"]["flash"]["precisions"]["fp32"]["reasons"] == []
    record = read_record(run_dir)
    assert (record.status, record.error, record.exit_code) == ("FAILED", "UnfitMachine", 1)
    assert record.environment["versions"]["torch"]


def test_a_broken_torch_does_not_break_the_doctor(tmp_path: Path) -> None:
    """As after an upgrade of CUDA: importing torch raises; the doctor names it and ends with 1."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text(
        "raise ImportError('libtorch_cuda.so: undefined symbol: ncclMemFree')"
    )
    line = ["task=doctor", "doctor.network=false", f"hydra.run.dir={tmp_path / 'run'}"]
    path = os.pathsep.join([str(tmp_path / "broken"), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path, "SDPA_EXP_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "sdpa_exp", *line]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    content = json.loads((tmp_path / "run" / "doctor.json").read_text())
    (binaries,) = [finding for finding in content["findings"] if finding["check"] == "binaries"]
    assert binaries["kind"] == "binary_mismatch"
    assert binaries["blocks"]
    assert content["matrix"] is None
    assert "torch: ImportError: libtorch_cuda.so: undefined symbol" in content["obstacles"][0]
