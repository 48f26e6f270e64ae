"""Models of timm: each block of the kinds that are known computes the same with a backend, the others are named."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sdpa_exp import attest, inject
from sdpa_exp.errors import InjectionError

timm: Any = pytest.importorskip("timm", reason="timm is not installed: pip install sdpa_exp[timm]")
IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def create(name: str) -> Any:
    torch.manual_seed(0)
    size = {} if name.startswith("fastvit") else {"img_size": 64}
    return timm.create_model(name, **size, num_classes=5).eval()


def output_and_gradients(network: Any) -> list[torch.Tensor]:
    out = network(IMAGES)
    return [out, *torch.autograd.grad(out.square().sum(), [*network.parameters()], allow_unused=True)]


@pytest.mark.parametrize(
    ("name", "family", "num_layers"),
    [
        ("vit_tiny_patch16_224", "ViT attention", 12),
        ("eva02_tiny_patch14_224", "rotary attention", 12),
        ("vit_small_patch16_dinov3", "rotary attention", 12),
        ("vit_small_patch16_rope_224", "rotary attention", 12),
    ],
)
def test_a_model_is_injected_at_every_block(name: str, family: str, num_layers: int) -> None:
    network = create(name)
    own = output_and_gradients(network)
    report = inject(network, "flash")
    assert len(report.layers) == num_layers
    ours = output_and_gradients(network)
    largest = max(float(gradient.abs().max()) for gradient in own[1:] if gradient is not None)
    assert float((ours[0] - own[0]).abs().max()) < 1e-5 * float(own[0].abs().max())
    for a, b in zip(ours[1:], own[1:], strict=True):
        assert (a is None) == (b is None)
        assert a is None or float((a - b).abs().max()) < 1e-4 * largest
    assert attest(network, IMAGES).executed()["train_backward"] == {"flash": num_layers}


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
