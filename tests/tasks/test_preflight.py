"""Preflight says which kernel each arm will run, and which arms are one and the same."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sdpa_exp.config.plan import Job, Plan
from sdpa_exp.config.schema import (
    AttentionConfig,
    CompareConfig,
    HardwareConfig,
    ModelConfig,
    SyntheticDataset,
    TaskConfig,
    TelemetryConfig,
    TrackingConfig,
)
from sdpa_exp.config.train_schema import TrainConfig
from sdpa_exp.errors import BackendUnavailable, InjectionError
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.layers import find_layers
from sdpa_exp.launch.announce import same_kernel_sentence
from sdpa_exp.tasks.preflight import check_arm, disk_warning, require_backend, same_kernel, to_dict


def plan_for(backend: str, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "name": "test",
        "seed": 0,
        "baseline": None,
        "model": ModelConfig(name="yolo12n", architecture="yolo12n.yaml"),
        "dataset": SyntheticDataset(name="synthetic", num_train_images=4, num_val_images=2, image_px=96),
        "attention": AttentionConfig(name=backend, backend=backend),
        "hardware": HardwareConfig(name="cpu", device="cpu", precision="fp32"),
        "train": TrainConfig(name="tiny"),
        "task": TaskConfig(name="train"),
        "telemetry": TelemetryConfig(name="none", enabled=False),
        "tracking": TrackingConfig(name="none", kind="none"),
        "compare": CompareConfig(),
        "job": Job(run_dir="."),
    }
    return Plan(**{**values, **changes})


def test_on_a_cpu_sdpa_and_flash_are_one_kernel_and_stock_and_eager_are_not() -> None:
    checks = [check_arm(plan_for(backend)) for backend in ("stock", "eager", "sdpa", "flash", "math")]
    assert [check.kernel for check in checks] == ["softmax", "softmax", "flash", "flash", "math"]
    assert same_kernel(checks) == [["sdpa", "flash"]]


def test_auto_is_another_arm_than_flash_where_it_differs_at_one_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """All layers of yolo12n have one head_dim; the last one alone is flash, as for the arm `flash`."""
    layers = [layer.name for layer in find_layers(build_network("yolo12n.yaml"))]
    backends = dict.fromkeys(layers, "eager") | {layers[-1]: "flash"}
    monkeypatch.setattr(
        "sdpa_exp.tasks.preflight.resolve_auto", lambda plan, network: SimpleNamespace(backends=backends)
    )
    checks = [check_arm(plan_for(backend)) for backend in ("auto", "flash")]
    assert [check.kernel for check in checks] == ["flash and softmax", "flash"]
    assert same_kernel(checks) == []


def test_an_aa_copy_is_no_second_arm_with_the_same_kernel() -> None:
    copy = AttentionConfig(name="sdpa_aa", backend="sdpa", copy_of="sdpa")
    checks = [check_arm(plan_for("sdpa")), check_arm(plan_for("sdpa", attention=copy))]
    assert [check.kernel for check in checks] == ["flash", "flash"]
    assert same_kernel(checks) == []


def test_where_pytorch_would_take_math_a_fused_backend_is_named() -> None:
    """YOLO11 has q and k of 32, v of 64."""
    model = ModelConfig(name="yolo11n", architecture="yolo11n.yaml")
    advice = check_arm(plan_for("sdpa", model=model)).advice()
    assert advice is not None
    assert "leaves the kernel to PyTorch, which takes math, its slowest, at 1 of 1 layers" in advice
    assert advice.endswith("attention=flash pads them and runs a fused kernel.")
    assert check_arm(plan_for("math", model=model)).advice() is None
    assert check_arm(plan_for("sdpa")).advice() is None


def test_the_note_names_a_line_that_compares_something() -> None:
    checks = [to_dict(check_arm(plan_for(backend))) for backend in ("sdpa", "flash")]
    sentence = same_kernel_sentence(["sdpa", "flash"], checks)
    assert "run the same kernel here (PyTorch's flash): this sweep compares a model with itself" in sentence
    assert sentence.endswith("attention=stock,sdpa")


def test_an_arm_that_cannot_run_is_refused_with_reasons_and_the_nearest_that_can() -> None:
    with pytest.raises(
        BackendUnavailable,
        match=r"attention=efficient can't run here: it has no CPU kernel .*Nearest that runs here: attention=flash\.",
    ):
        require_backend(plan_for("efficient"))


def test_a_model_without_attention_is_refused_by_name() -> None:
    model = ModelConfig(name="yolov8n", architecture="yolov8n.yaml")
    with pytest.raises(InjectionError, match="model=yolov8n has no attention layers"):
        check_arm(plan_for("sdpa", model=model))


def test_an_architecture_that_does_not_exist_is_refused_by_name() -> None:
    model = ModelConfig(name="yolo99", architecture="yolo99.yaml")
    with pytest.raises(InjectionError, match=r"model\.architecture=yolo99\.yaml is not an architecture"):
        check_arm(plan_for("sdpa", model=model))


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        ("identity", "it computes no attention: it is a floor for benchmarks and can't be trained with"),
        ("flash_attn", r"it has no CPU kernel \(it runs on CUDA\)"),
        ("cudnn", r"it has no CPU kernel \(it runs on CUDA\)"),
        ("flex", "it has no backward pass on CPU"),
    ],
)
def test_each_backend_that_cannot_train_here_gives_its_reason(backend: str, reason: str) -> None:
    words = rf"attention={backend} can't run here: {reason}\. Nearest that runs here: attention=flash\."
    with pytest.raises(BackendUnavailable, match=words):
        require_backend(plan_for(backend))


def test_a_psa_model_runs_flash_padded_while_sdpa_is_math_there() -> None:
    model = ModelConfig(name="yolo11n", architecture="yolo11n.yaml")
    checks = [check_arm(plan_for(backend, model=model)) for backend in ("sdpa", "flash")]
    assert [check.kernel for check in checks] == ["math", "flash"]


def test_checkpoints_that_the_disk_has_no_room_for_are_told_before_the_first_run(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert disk_warning([free // 16, free // 16], tmp_path) is None  # 4 bytes a weight: half of what is free
    sentence = disk_warning([free // 4, free // 4], tmp_path)
    assert sentence is not None
    assert f"disk: 2 trainings leave about {2 * free / 2**30:.1f} GiB of checkpoints" in sentence
    assert "set hydra.sweep.dir to another disk" in sentence
