"""What hardware=auto left open is filled from the machine; what can't be had is refused by name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from sdpa_exp.config.schema import HardwareConfig
from sdpa_exp.errors import ConfigError
from sdpa_exp.tasks.by_device import default_allocator
from sdpa_exp.tasks.hardware import choose_hardware, image_mib, resolve_hardware
from sdpa_exp.tasks.sweep_hardware import choose_for_sweep
from tests.tasks.planning import plan_of

CPU = HardwareConfig(name="cpu", device="cpu")


def test_everything_open_is_filled_and_what_was_set_stays() -> None:
    resolved = resolve_hardware(dataclasses.replace(CPU, batch=3))
    assert resolved.batch == 3
    assert resolved.precision == "fp32"
    open_keys = [f.name for f in dataclasses.fields(resolved) if getattr(resolved, f.name) is None]
    assert open_keys == ["allocator", "price_per_gpu_hour", "price_per_kwh", "currency"]  # no machine knows prices


def test_resolving_twice_changes_nothing() -> None:
    resolved = resolve_hardware(HardwareConfig(name="auto"))
    assert resolve_hardware(resolved) == resolved


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_cuda_device_that_is_not_there_is_refused_with_the_next_step() -> None:
    with pytest.raises(ConfigError, match=r"sees 0 CUDA device\(s\)\. Use hardware=auto or hardware=cpu"):
        resolve_hardware(HardwareConfig(name="a100", device="cuda"))


def test_fp16_training_on_a_cpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="precision=fp16 can't train on a CPU"):
        resolve_hardware(dataclasses.replace(CPU, precision="fp16"))


@pytest.mark.parametrize(("free_gib", "imgsz", "batch"), [(20, 160, 16), (0.3, 160, 4), (4, 640, 4), (0.01, 640, 1)])
def test_the_batch_on_a_cpu_is_the_largest_that_free_memory_takes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free_gib: float, imgsz: int, batch: int
) -> None:
    monkeypatch.setattr("sdpa_exp.tasks.hardware.free_memory_bytes", lambda: free_gib * 2**30)
    size = image_mib_of(f"train.imgsz={imgsz}")
    with caplog.at_level("INFO"):
        chosen = choose_hardware(dataclasses.replace(CPU, num_threads=3), images_mib=[size])
    assert chosen.hardware.batch == batch
    assert f"{free_gib:.1f} GiB free memory" in chosen.reasons["batch"]
    assert "num_threads" not in chosen.reasons  # it was set
    assert f"hardware.batch={batch}: a step takes about" in caplog.text


def test_the_batch_fits_the_hungriest_of_the_plans_that_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdpa_exp.tasks.hardware.free_memory_bytes", lambda: 2 * 2**30)
    base = plan_of("hardware=auto", "train.imgsz=320", run_dir=Path("/nowhere"))
    small, large = (
        dataclasses.replace(plan_of(f"model={model}", "train.imgsz=320", run_dir=Path("/nowhere")), hardware=CPU)
        for model in ("yolo12n", "yolo12x")
    )
    batches = [[each.hardware.batch for each in choose_for_sweep(plans)] for plans in ([small], [small, large], [base])]
    assert batches == [[8], [1, 1], [8]]


@pytest.mark.parametrize(("free_gib", "batch"), [(5, 20), (7, 24), (30, 64)])
def test_the_batch_on_a_gpu_follows_its_free_memory(monkeypatch: pytest.MonkeyPatch, free_gib: int, batch: int) -> None:
    plant_gpu(monkeypatch, free_gib)
    resolved = resolve_hardware(HardwareConfig(name="auto"), images_mib=[image_mib_of("train.imgsz=640")])
    assert (resolved.device, resolved.precision, resolved.batch) == ("cuda:0", "bf16", batch)


def test_a_gpu_has_the_allocator_that_the_worker_was_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    plant_gpu(monkeypatch, 8)
    resolved = resolve_hardware(HardwareConfig(name="auto"))
    assert resolved.allocator == default_allocator("auto") == default_allocator("cuda:1") == "expandable_segments:True"
    assert default_allocator("cpu") is None


def test_auto_takes_apples_gpu_before_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_hardware(HardwareConfig(name="auto")).device == "mps"


@pytest.mark.parametrize(
    ("free_gib", "overrides", "cache", "words"),
    [
        (1.0, ["train.deterministic=false"], "ram", "take at most 0.2 MiB"),
        (1.0, ["train.deterministic=false", "train.imgsz=16000"], "none", "too much: they may take 25% of 1.0 GiB"),
        (1.0, [], "none", "in RAM it makes training non-deterministic"),
        (1.0, ["train.deterministic=true"], "none", "in RAM it makes training non-deterministic"),
        (1.0, ["determinism=strict"], "none", "in RAM it makes training non-deterministic"),
        (1.0, ["train.deterministic=false", "hardware.cache=disk"], "disk", ""),
    ],
)
def test_images_are_kept_in_ram_where_determinism_is_not_asked_for_and_they_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_gib: float, overrides: list[str], cache: str, words: str
) -> None:
    monkeypatch.setenv("SDPA_EXP_CACHE", str(tmp_path))
    monkeypatch.setattr("sdpa_exp.tasks.image_cache.free_memory_bytes", lambda: free_gib * 2**30)
    plan = plan_of(
        "hardware=auto", "dataset.num_train_images=2", "dataset.num_val_images=1", *overrides, run_dir=tmp_path
    )
    (chosen,) = choose_for_sweep([plan])
    assert chosen.hardware.cache == cache
    assert words in chosen.reasons.get("cache", "")


def test_one_arm_that_asks_for_determinism_keeps_the_images_of_all_out_of_ram(tmp_path: Path) -> None:
    plans = [plan_of("hardware=auto", f"train.deterministic={value}", run_dir=tmp_path) for value in ("false", "true")]
    assert [each.hardware.cache for each in choose_for_sweep(plans)] == ["none", "none"]


def plant_gpu(monkeypatch: pytest.MonkeyPatch, free_gib: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 9))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free_gib * 2**30, 80 * 2**30))


def image_mib_of(*overrides: str) -> float:
    return image_mib(plan_of(*overrides, run_dir=Path("/nowhere")))
