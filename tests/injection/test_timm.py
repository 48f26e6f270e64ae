"""Models of timm: each block of the kinds that are known computes the same with a backend, the others are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sdpa_exp import attest, inject
from sdpa_exp.errors import InjectionError
from sdpa_exp.injection.layers import find_layers
from sdpa_exp.tasks.bench.work import bench
from sdpa_exp.tasks.verify.work import verify
from tests.tasks.in_process import run_task

timm: Any = pytest.importorskip("timm", reason="timm is not installed: pip install sdpa_exp[timm]")
IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def create(name: str, **size: int) -> Any:
    torch.manual_seed(0)
    return timm.create_model(name, **size, num_classes=5).eval()


def output_and_gradients(network: Any, images: torch.Tensor) -> list[torch.Tensor]:
    out = network(images)
    return [out, *torch.autograd.grad(out.square().sum(), [*network.parameters()], allow_unused=True)]


@pytest.mark.parametrize(
    ("name", "family", "imgsz"),
    [
        ("vit_tiny_patch16_224", "ViT attention", 64),
        ("eva02_tiny_patch14_224", "rotary attention", 56),
        ("vit_small_patch16_dinov3", "rotary attention", 64),
        ("vit_small_patch16_rope_224", "rotary attention", 64),
    ],
)
def test_a_model_is_injected_at_every_block(name: str, family: str, imgsz: int) -> None:
    network, images = create(name, img_size=imgsz, depth=2), IMAGES[..., :imgsz, :imgsz]
    own = output_and_gradients(network, images)
    report = inject(network, "flash")
    assert report.layers == ("blocks.0.attn", "blocks.1.attn")
    assert {layer.family for layer in find_layers(network)} == {family}
    ours = output_and_gradients(network, images)
    largest = max(float(gradient.abs().max()) for gradient in own[1:] if gradient is not None)
    assert float((ours[0] - own[0]).abs().max()) < 1e-5 * float(own[0].abs().max())
    for a, b in zip(ours[1:], own[1:], strict=True):
        assert (a is None) == (b is None)
        assert a is None or float((a - b).abs().max()) < 1e-4 * largest
    assert attest(network, images).executed()["train_backward"] == {"flash": 2}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("swin_tiny_patch4_window7_224", "12 attention modules of class WindowAttention .* adds a bias for relative"),
        ("swinv2_tiny_window8_256", "12 attention modules of class WindowAttention .* it compares directions alone"),
        ("samvit_base_patch16_224", "12 attention modules of class Attention .* adds a bias for relative positions"),
        ("beit_base_patch16_224", "12 attention modules of class Attention .* adds a bias for relative positions"),
        ("fastvit_sa12", "looks like ViT attention and computes something else"),
    ],
)
def test_a_model_of_other_attention_is_refused_by_its_name(name: str, words: str) -> None:
    with pytest.raises(InjectionError, match=words):
        inject(create(name), "sdpa")


def test_bench_and_verify_take_a_model_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDPA_EXP_CACHE", str(tmp_path / "cache"))
    common = ("model=timm", "model.architecture=timm:eva02_tiny_patch14_224", "hardware=cpu", "hardware.num_threads=1")
    (tmp_path / "bench").mkdir()
    sizes = ("bench.imgsz=[56,64]", "bench.batches=[1]", "bench.rounds=2", "bench.arms=[stock,flash]")
    run_task(bench, tmp_path / "bench", "task=bench", *common, *sizes)
    content = json.loads((tmp_path / "bench/bench.json").read_text())
    assert {case["level"] for case in content["cases"]} == {"step", "inference", "module"}
    assert {case["model"] for case in content["cases"]} == {"timm:eva02_tiny_patch14_224"}
    assert all(set(case["arms"]) == {"stock", "flash"} for case in content["cases"])  # else withdrawn
    assert {case["reason"].partition(" (")[0] for case in content["dropped"]} == {
        "timm:eva02_tiny_patch14_224 can't take images of 64 x 64 px"
    }
    (tmp_path / "verify").mkdir()
    data = ("dataset.num_train_images=4", "dataset.num_val_images=4", "dataset.image_px=96", "train.imgsz=224")
    run_task(verify, tmp_path / "verify", "task=verify", "attention=flash", *common, *data, "verify.num_images=1")
    found = json.loads((tmp_path / "verify/verify.json").read_text())
    assert found["ok"]
    assert len(found["layers"]) == 2 * 12
