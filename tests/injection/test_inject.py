"""Injection swaps all layers or none, and survives everything that a training does to a model."""

from __future__ import annotations

import copy
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from ultralytics import YOLO
from ultralytics.nn.modules.block import AAttn

from sdpa_exp import inject
from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.requirements import ANYWHERE
from sdpa_exp.errors import BackendUnavailable, InjectionError
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.dispatch import ATTRIBUTE, stock_forward
from sdpa_exp.injection.inject import check_injected
from sdpa_exp.injection.layers import find_layers

CALLS: list[int] = []


def _noted(q: Any, k: Any, v: Any, scale: float) -> Any:
    CALLS.append(1)
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)


NOTED = Backend(name="noted", summary="", function=_noted, kernels=frozenset({"flash"}), requirements=ANYWHERE)
NOTED_NAME = f"{__name__}:NOTED"


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("yolo12n.yaml", 3).eval()


def num_backend_calls(network: Any) -> int:
    CALLS.clear()
    with torch.no_grad():
        network(torch.rand(1, 3, 64, 64))
    return len(CALLS)


def test_yolo12n_has_eight_layers_of_head_dim_32(network: nn.Module) -> None:
    layers = find_layers(network)
    assert [layer.num_heads for layer in layers] == [2, 2, 2, 2, 4, 4, 4, 4]
    assert {(layer.head_dim_qk, layer.head_dim_v) for layer in layers} == {(32, 32)}


def test_every_layer_calls_the_backend(network: nn.Module) -> None:
    report = inject(network, NOTED_NAME)
    assert len(report.layers) == 8
    assert num_backend_calls(network) == 8


def test_without_injection_and_with_stock_the_models_own_forward_runs(network: nn.Module) -> None:
    inject(build_network("yolo12n.yaml"), NOTED_NAME)  # installs the dispatcher on the class, not on other models
    assert num_backend_calls(network) == 0
    inject(network, "stock")
    assert num_backend_calls(network) == 0


def test_the_swap_survives_deepcopy_pickle_and_fuse(network: nn.Module) -> None:
    inject(network, NOTED_NAME)
    assert num_backend_calls(copy.deepcopy(network)) == 8
    buffer = io.BytesIO()
    torch.save(network, buffer)
    buffer.seek(0)
    assert num_backend_calls(torch.load(buffer, weights_only=False)) == 8
    unfused: Any = copy.deepcopy(network)
    assert num_backend_calls(unfused.fuse(verbose=False)) == 8


def test_parameter_names_do_not_change(network: nn.Module) -> None:
    before = list(network.state_dict())
    inject(network, "flash")
    assert list(network.state_dict()) == before


def test_a_checkpoint_loads_without_this_package_and_predicts_the_same(network: nn.Module, tmp_path: Path) -> None:
    inject(network, "flash")
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network(image)[0]
    torch.save({"model": network, "image": image, "expected": expected}, tmp_path / "injected.pt")
    code = (
        "import sys, torch\n"
        "saved = torch.load(sys.argv[1], weights_only=False)\n"
        "with torch.no_grad(): out = saved['model'](saved['image'])[0]\n"
        "assert torch.allclose(out, saved['expected'], atol=1e-3), (out - saved['expected']).abs().max()\n"
        "assert not any(name.startswith('sdpa_exp') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "injected.pt")], check=True, cwd=tmp_path)


def test_a_yolo_object_is_injected_in_place() -> None:
    yolo = YOLO("yolo12n.yaml")
    report = inject(yolo, NOTED_NAME)
    assert len(report.layers) == 8
    assert num_backend_calls(yolo.model) == 8


def test_a_model_without_layers_is_refused_by_name() -> None:
    with pytest.raises(InjectionError, match=r"yolov8n has no attention layers .* such as yolo12n"):
        inject(build_network("yolov8n.yaml"), "sdpa")


def test_an_unknown_backend_leaves_the_model_alone(network: nn.Module) -> None:
    with pytest.raises(BackendUnavailable, match="'spda' is unknown"):
        inject(network, "spda")
    assert not any(hasattr(layer.module, "attn_impl") for layer in find_layers(network))


def test_injection_fails_when_one_layer_is_left(network: nn.Module) -> None:
    report = inject(network, "sdpa")
    last = find_layers(network)[-1]
    setattr(last.module, ATTRIBUTE, "stock")
    with pytest.raises(
        InjectionError, match=rf"7 of 8 layers of yolo12n; without it: {last.name}\. All layers or none"
    ):
        check_injected(network, "sdpa", expected=report.layers)


def test_a_forward_patched_on_the_instance_is_found(network: nn.Module) -> None:
    report = inject(network, "sdpa")
    first = find_layers(network)[0].module
    first.forward = lambda x: stock_forward(AAttn)(first, x)
    with pytest.raises(InjectionError, match="7 of 8 layers"):
        check_injected(network, "sdpa", expected=report.layers)
