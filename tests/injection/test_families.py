"""Every family: our forward equals the module's own, in output and gradients, and looks alone convince nobody."""

from __future__ import annotations

import copy
import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.swin_transformer import SwinTransformerBlockV2  # type: ignore[import-untyped]
from torchvision.models.vision_transformer import EncoderBlock  # type: ignore[import-untyped]
from ultralytics.nn.modules.block import Attention as PsaAttention
from ultralytics.nn.modules.block import ImagePoolingAttn, MaxSigmoidAttnBlock
from ultralytics.nn.modules.transformer import AIFI, TransformerLayer

import sdpa_exp
from sdpa_exp import attest, inject
from sdpa_exp.errors import BackendUnavailable, InjectionError
from sdpa_exp.evidence.equivalence import compare_layers
from sdpa_exp.evidence.layer_run import capture_calls
from sdpa_exp.evidence.rule import Equivalence
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.dispatch import stock_forward
from sdpa_exp.injection.layers import find_layers


class DinoAttention(nn.Module):
    """ViT attention as many projects write it."""

    def __init__(self, dim: int, num_heads: int, *, scale: float | None = None) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.scale = scale or (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.attn_drop = nn.Dropout(0.0)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(0.0)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.num_heads, c // self.num_heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1)) * self.scale
        weights = weights if mask is None else weights + mask
        out: Tensor = self.attn_drop(weights.softmax(dim=-1)) @ v
        out = self.proj(out.transpose(1, 2).reshape(b, n, c))
        return self.proj_drop(out)  # type: ignore[no-any-return]


class TimmAttention(DinoAttention):
    """As timm has it since 1.0: a norm between product and projection."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__(dim, num_heads)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.num_heads, c // self.num_heads).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask, is_causal=is_causal)
        return self.proj_drop(self.proj(self.norm(out.transpose(1, 2).reshape(b, n, c))))  # type: ignore[no-any-return]


class WindowAttention(DinoAttention):
    """One with a bias for relative positions, as Swin, BEiT and SAM have it."""

    def __init__(self) -> None:
        super().__init__(64, 4)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(64))


class OwnAttention(DinoAttention):
    """One with a parameter that nothing is known of."""

    def __init__(self) -> None:
        super().__init__(64, 4)
        self.sink = nn.Parameter(torch.zeros(64))


class Bare(nn.Module):
    """Self-attention by PyTorch's module, as networks call it that want no weights."""

    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(64, 4, batch_first=batch_first)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


class Cross(Bare):
    """Queries of some tokens, keys and values of all, by name."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attention(query=x[:, :7], key=x, value=x, need_weights=False)[0]
        return out


class RotaryAttention(nn.Module):
    """What timm's EvaAttention computes with biases of its own and rotated pairs; a real one is in test_timm.py."""

    def __init__(self, *, by_halves: bool) -> None:
        super().__init__()
        self.num_heads, self.head_dim, self.scale, self.num_prefix_tokens = 4, 16, 0.25, 1
        self.rotate_half, self.gate = by_halves, nn.Linear(64, 64)
        self.qkv = nn.Linear(64, 192, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(64)), nn.Parameter(torch.zeros(64))
        self.register_buffer("k_bias", torch.zeros(64))
        self.q_norm, self.k_norm, self.norm = nn.LayerNorm(16), nn.LayerNorm(16), nn.LayerNorm(64)
        self.attn_drop, self.proj, self.proj_drop = nn.Dropout(0.0), nn.Linear(64, 64), nn.Dropout(0.0)

    def forward(self, x: Tensor, rope: Tensor | None = None) -> Tensor:
        bias = torch.cat([self.q_bias, self.k_bias, self.v_bias])  # type: ignore[list-item]
        qkv = (self.qkv(x) + bias).view(*x.shape[:2], 3, 4, 16).permute(2, 0, 3, 1, 4)
        q, k = self.turned(self.q_norm(qkv[0]), rope), self.turned(self.k_norm(qkv[1]), rope)
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(dim=-1)
        out = self.norm((weights @ qkv[2]).transpose(1, 2).reshape(x.shape)) * self.gate(x).sigmoid()
        return self.proj_drop(self.proj(out))  # type: ignore[no-any-return]

    def turned(self, x: Tensor, rope: Tensor | None) -> Tensor:
        """Each pair of numbers turned by the angle of its place; the first token has none."""
        if rope is None:
            return x
        sine, cosine = rope.chunk(2, dim=-1)
        first = [*range(8)] if self.rotate_half else [*range(0, 16, 2)]
        second = [*range(8, 16)] if self.rotate_half else [*range(1, 16, 2)]
        out, placed = x.clone(), x[:, :, 1:]
        out[:, :, 1:, first] = placed[..., first] * cosine[:, first] - placed[..., second] * sine[:, first]
        out[:, :, 1:, second] = placed[..., second] * cosine[:, second] + placed[..., first] * sine[:, second]
        return out


RotaryAttention.__module__, RotaryAttention.__qualname__ = "timm.models.eva", "EvaAttention"


class Placed(nn.Module):
    """A rotary layer in a model that knows the places of its tokens."""

    def __init__(self, *, by_halves: bool) -> None:
        super().__init__()
        self.attention = RotaryAttention(by_halves=by_halves)
        self.by_halves = by_halves

    def forward(self, x: Tensor) -> Tensor:
        angles = torch.arange(29.0, dtype=x.dtype)[:, None] * 0.7 ** torch.arange(8)
        angles = torch.cat([angles, angles], dim=1) if self.by_halves else angles.repeat_interleave(2, dim=1)
        out: Tensor = self.attention(x, rope=torch.cat([angles.sin(), angles.cos()], dim=1))
        return out


IMAGE, TOKENS = (2, 64, 6, 5), (2, 30, 64)
MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "PSA": (lambda: PsaAttention(64, 2), IMAGE),
    "AIFI": (lambda: AIFI(64, 96, 4), IMAGE),
    "AIFI, normalised before": (lambda: AIFI(64, 96, 4, normalize_before=True), IMAGE),
    "torchvision": (lambda: EncoderBlock(4, 64, 96, 0.0, 0.0), TOKENS),
    "PyTorch's encoder": (lambda: nn.TransformerEncoderLayer(64, 4, 96, dropout=0.0, batch_first=True), TOKENS),
    "PyTorch's encoder, tokens first": (
        lambda: nn.TransformerEncoderLayer(64, 4, 96, dropout=0.0, norm_first=True),
        TOKENS,
    ),
    "C3TR": (lambda: TransformerLayer(64, 4), TOKENS),
    "bare": (lambda: Bare(batch_first=True), TOKENS),
    "bare, tokens first": (lambda: Bare(batch_first=False), TOKENS),
    "bare, of others": (lambda: Cross(batch_first=True), TOKENS),
    "rotary": (lambda: Placed(by_halves=False), TOKENS),
    "rotary, by halves": (lambda: Placed(by_halves=True), TOKENS),
    "DINO": (lambda: DinoAttention(64, 4), TOKENS),
    "timm": (lambda: TimmAttention(64, 4), TOKENS),
    "drop-in": (lambda: sdpa_exp.Attention(64, 4), TOKENS),
}
FORMATS = (torch.contiguous_format, torch.channels_last)


def make(name: str) -> tuple[nn.Sequential, Tensor]:
    build, shape = MODULES[name]
    torch.manual_seed(0)
    network = nn.Sequential(build()).double().train()
    for parameter in network.parameters():  # biases start at zero, where mistakes in them would not show
        nn.init.normal_(parameter, std=0.2)
    return network, torch.randn(shape, dtype=torch.float64)


def run(forward: Callable[[Tensor], Tensor], module: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    out = forward(x)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).reshape(out.shape)
    return [out, *torch.autograd.grad((out * weights).sum(), [x, *module.parameters()])]


@pytest.mark.parametrize("backend", ["eager", "sdpa", "flash"])
@pytest.mark.parametrize("name", MODULES)
def test_output_and_gradients_equal_the_modules_own(name: str, backend: str) -> None:
    network, x = make(name)
    own = run(lambda x: stock_forward(type(network[0]))(network[0], x), network, x)
    inject(network, backend)
    ours = run(network, network, x)
    largest = max(float(gradient.abs().max()) for gradient in own[1:])
    assert float((ours[0] - own[0]).abs().max()) < 1e-10
    assert max(float((a - b).abs().max()) for a, b in zip(ours[1:], own[1:], strict=True)) < 1e-10 * largest


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("name", ["PSA", "AIFI"])
def test_the_output_keeps_the_memory_format_of_the_input(name: str, memory_format: torch.memory_format) -> None:
    network, x = make(name)
    inject(network, "flash")
    network = network.to(memory_format=memory_format)
    assert network(x.contiguous(memory_format=memory_format)).is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("name", MODULES)
def test_each_family_is_attested(name: str) -> None:
    network, x = make(name)
    inject(network, "flash")
    evidence = attest_tokens(network.float(), x.float()).evidence
    assert [set(item.kernels) for item in evidence] == [{"flash"}] * 3


def attest_tokens(network: nn.Module, x: Tensor) -> Any:
    attestation = attest(network, x)
    attestation.raise_if_wrong()
    return attestation


@pytest.mark.parametrize("name", MODULES)
def test_stock_is_attested_too(name: str) -> None:
    network, x = make(name)
    inject(network, "stock")
    assert attest_tokens(network.float(), x.float()).ok


@pytest.mark.parametrize(
    ("architecture", "family", "dims", "names"),
    [
        ("yolo11n.yaml", "PSA attention", (2, 32, 64), ["model.10.m.0.attn"]),
        ("yolo26n.yaml", "PSA attention", (2, 32, 64), ["model.10.m.0.attn", "model.22.m.0.1.attn"]),
        ("yolov10n.yaml", "PSA attention", (2, 32, 64), ["model.10.attn"]),
    ],
)
def test_psa_models_have_these_layers(architecture: str, family: str, dims: tuple[int, ...], names: list[str]) -> None:
    layers = find_layers(build_network(architecture, 3))
    assert [layer.name for layer in layers] == names
    assert {(layer.num_heads, layer.head_dim_qk, layer.head_dim_v) for layer in layers} == {dims}
    assert {layer.family for layer in layers} == {family}


def test_rtdetrs_layer_is_its_aifi_and_is_attested_in_the_whole_model() -> None:
    network = build_network("rtdetr-l.yaml", 3)
    assert type(network).__name__ == "RTDETRDetectionModel"
    report = inject(network, "flash")
    assert report.layers == ("model.11",)
    assert report.unknown == {"MultiheadAttention": 6, "MSDeformAttn": 6}  # its decoder's, left as they are
    assert report.reasons["MultiheadAttention"] == (
        "while training it takes a mask, which no backend takes (RT-DETR's denoising)"
    )
    assert report.reasons["MSDeformAttn"] == "it samples a few places instead of comparing queries with keys"
    attestation = attest(network, torch.rand(1, 3, 64, 64), dtype="fp32")
    assert attestation.executed() == {
        stage: {"flash": 1} for stage in ("train_forward", "train_backward", "val_forward")
    }


def test_fusing_yolo11n_keeps_the_backend() -> None:
    torch.manual_seed(0)
    network = build_network("yolo11n.yaml", 3).eval()
    inject(network, "stock")
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        own = network(image)[0]
        inject(network, "flash")
        fused: Any = copy.deepcopy(network)
        assert torch.allclose(fused.fuse(verbose=False)(image)[0], own, atol=1e-3)
    assert attest(fused, image).executed()["val_forward"] == {"flash": 1}


def test_looks_alone_are_not_enough() -> None:
    with pytest.raises(
        InjectionError, match=r"0 \(DinoAttention\) looks like ViT attention and computes something else"
    ):
        inject(nn.Sequential(DinoAttention(64, 4, scale=1.0)), "sdpa")


def test_a_look_alike_that_takes_pictures_instead_of_tokens_is_refused_by_name() -> None:
    """As timm's fastvit has it: its own forward unpacks four dimensions."""

    class OfPictures(DinoAttention):
        def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
            batch, channels, height, width = x.shape
            out: torch.Tensor = super().forward(x.flatten(2).transpose(1, 2))
            return out.transpose(1, 2).reshape(batch, channels, height, width)

    with pytest.raises(InjectionError, match=r"0 \(OfPictures\) looks like ViT attention and computes something else"):
        inject(nn.Sequential(OfPictures(64, 4)), "sdpa")


def test_a_module_with_parameters_of_its_own_is_no_layer() -> None:
    module = DinoAttention(64, 4)
    module.relative_position_bias = nn.Parameter(torch.zeros(4, 30, 30))
    assert find_layers(nn.Sequential(module)) == []


def test_a_mask_is_refused_instead_of_dropped() -> None:
    network, x = make("DINO")
    inject(network, "sdpa")
    assert network[0](x, None).shape == x.shape
    with pytest.raises(InjectionError, match=r"DinoAttention was called with more than its input \(argument mask\)"):
        network[0](x, mask=torch.zeros(30, 30))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda layer, x: layer(x, x, x),
            "asked for its attention weights .* expected need_weights=False, which gives",
        ),
        (lambda layer, x: layer(x[0], x[0], x[0], need_weights=False), "called with 2 dimensions: expected 3, a batch"),
        (
            lambda layer, x: layer(x, x, x, None, False, torch.zeros(30, 30)),
            r"MultiheadAttention was called with more than its input \(argument attn_mask\), such as a mask",
        ),
    ],
)
def test_a_call_of_a_bare_layer_that_no_backend_answers_is_refused(call: Callable[..., Any], words: str) -> None:
    network, x = make("bare")
    inject(network, "sdpa")
    with pytest.raises(InjectionError, match=words):
        call(network[0].attention, x)


def test_an_encoder_of_pytorch_computes_with_the_backend_in_evaluation_too() -> None:
    """There PyTorch's own layer skips its MultiheadAttention."""
    layer = nn.TransformerEncoderLayer(64, 4, 96, dropout=0.0, batch_first=True)
    network, x = nn.TransformerEncoder(layer, 3).eval(), torch.randn(2, 30, 64)
    with torch.no_grad():
        own = network(x)
        assert inject(network, "flash").layers == ("layers.0", "layers.1", "layers.2")
        assert float((network(x) - own).abs().max()) < 1e-5
    assert attest(network, x).executed()["val_forward"] == {"flash": 3}
    with pytest.raises(InjectionError, match=r"TransformerEncoderLayer was called with more .*argument src_mask"):
        network(x, mask=torch.zeros(30, 30))


def test_auto_and_verify_call_a_layer_with_all_that_the_model_gives_it() -> None:
    network, x = make("rotary")
    inject(network, "sdpa")
    found = compare_layers(network.float(), "sdpa", capture_calls(network.float(), x.float()), dtype=torch.float32)
    assert [item.layer for item in found] == ["0.attention"]
    Equivalence(backend="sdpa", max_ratio=6.0, layers=tuple(found), versions="").raise_if_wrong()


def test_dropped_attention_weights_are_refused() -> None:
    with pytest.raises(InjectionError, match=r"0 drops attention weights with probability 0\.1, which no backend does"):
        inject(nn.Sequential(AIFI(64, 96, 4, dropout=0.1)), "sdpa")


def test_the_drop_in_module_checks_what_it_is_given() -> None:
    with pytest.raises(BackendUnavailable, match="'flsh' is unknown"):
        sdpa_exp.Attention(64, 4, backend="flsh")
    with pytest.raises(ValueError, match="dim=64 can't be split into num_heads=5"):
        sdpa_exp.Attention(64, 5)


def test_the_drop_in_module_computes_like_plain_sdpa_and_survives_a_pickle() -> None:
    module = sdpa_exp.Attention(64, 4, backend="flash")
    x = torch.randn(2, 30, 64)
    q, k, v = module.qkv(x).view(2, 30, 3, 4, 16).permute(2, 0, 3, 1, 4)
    want = module.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(2, 30, 64))
    assert torch.allclose(module(x), want, atol=1e-6)
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    assert torch.equal(loaded(x), module(x))
    assert attest(nn.Sequential(loaded), x).requested == "flash"


def test_recognising_layers_imports_no_model_library() -> None:
    import subprocess

    code = (
        "import sys, torch\nfrom sdpa_exp import inject, Attention\n"
        "inject(torch.nn.Sequential(Attention(8, 2)), 'sdpa')\n"
        "assert not {'ultralytics', 'torchvision', 'timm'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (
            nn.Sequential(OwnAttention(), nn.ReLU(), OwnAttention()),
            "has 2 attention modules of class OwnAttention that sdpa_exp doesn't know (known: area attention, PSA",
        ),
        (
            nn.Sequential(WindowAttention(), OwnAttention()),
            "has 1 attention modules of class WindowAttention that sdpa_exp can't inject: it adds a bias for relative "
            "positions to its weights, which no backend takes and 1 attention modules of class OwnAttention that",
        ),
        (SwinTransformerBlockV2(32, 2, [4, 4], [0, 0]).attn, "V2 that sdpa_exp can't inject: it compares directions"),
        (nn.MultiheadAttention(8, 2, kdim=4), "MultiheadAttention that sdpa_exp can't inject: its keys and values are"),
        (nn.MultiheadAttention(8, 2, add_bias_kv=True), "of another width, or have one more of their own (known: area"),
        (MaxSigmoidAttnBlock(64, 64, ec=64), "can't inject: it takes a sigmoid of the largest similarity"),
        (ImagePoolingAttn(64, (32, 32)), "can't inject: it compares a few words with 27 cells of pooled maps"),
        (nn.Sequential(nn.Linear(8, 8)), "has no attention layers that sdpa_exp knows (known: area attention, PSA"),
    ],
)
def test_attention_that_is_not_known_is_named_with_its_class_and_number(network: nn.Module, words: str) -> None:
    with pytest.raises(InjectionError) as caught:
        inject(network, "sdpa")
    assert words in str(caught.value)
