"""A best.pt comes back with the attention that it names, and one that sleeps is named."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from ultralytics import YOLO
from ultralytics.nn.modules.block import AAttn

import sdpa_exp
from sdpa_exp.errors import RunError
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.dispatch import stock_forward
from sdpa_exp.injection.inject import inject, layer_backend
from sdpa_exp.injection.layers import find_layers

IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def _write(network: nn.Module, path: Path) -> None:
    torch.save({"model": network, "train_args": {"imgsz": 64}}, path)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("yolo12n.yaml", num_classes=2).eval()


def test_a_checkpoint_names_its_backend_sleeps_when_ultralytics_loads_it_and_load_wakes_it(
    network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inject(network, "sdpa")
    _write(network, tmp_path / "best.pt")
    monkeypatch.setattr(AAttn, "forward", stock_forward(AAttn))  # as in a fresh process, where nobody has injected
    images = torch.rand(2, 3, 64, 64)
    with pytest.warns(UserWarning, match=r"names attention=sdpa and runs stock: it was loaded from a file"):
        assert "flash" not in sdpa_exp.attest(YOLO(tmp_path / "best.pt"), images).executed()["val_forward"]
    with warnings.catch_warnings(action="error"):
        attestation = sdpa_exp.attest(sdpa_exp.load(tmp_path / "best.pt"), images)
    assert attestation.executed()["val_forward"] == {"flash": 8}


@torch.no_grad()
def test_what_auto_chose_for_each_layer_comes_back_and_a_plain_checkpoint_gets_stock(
    network: nn.Module, tmp_path: Path
) -> None:
    names = [layer.name for layer in find_layers(network)]
    choices = {name: ("flash" if index % 2 else "eager") for index, name in enumerate(names)}
    inject(network, "auto", choices=choices)
    _write(network, tmp_path / "auto.pt")
    loaded = sdpa_exp.load(tmp_path / "auto.pt").model
    assert {layer.name: layer_backend(layer) for layer in find_layers(loaded)} == choices
    assert torch.equal(loaded.eval()(IMAGE)[0], network(IMAGE)[0])
    _write(build_network("yolo12n.yaml", num_classes=2), tmp_path / "plain.pt")
    plain = sdpa_exp.load(tmp_path / "plain.pt").model
    assert {layer_backend(layer) for layer in find_layers(plain)} == {"stock"}


def test_a_file_that_is_not_there_or_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_text("hello", encoding="utf-8")
    with pytest.raises(RunError, match=r"best\.pt can't be loaded: "):
        sdpa_exp.load(tmp_path / "best.pt")
    with pytest.raises(RunError, match=r"the weights yolo12n\.pt are no \.pt file: expected a checkpoint"):
        sdpa_exp.load("yolo12n.pt")
