"""Checkpoints of another code base are converted exactly or refused, and weights of another model are refused."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sdpa_exp import inject
from sdpa_exp.errors import ConfigError, RunError
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.checkpoint import load_network, transfer, widen_position_convolutions
from sdpa_exp.injection.layers import find_layers
from tests.injection.areas import as_authors_checkpoint, with_authors_attention


@pytest.fixture(scope="module")
def authors() -> nn.Module:
    """YOLO12n as the authors' code computes it."""
    torch.manual_seed(0)
    return with_authors_attention(build_network("yolo12n.yaml"))


def _save(network: nn.Module, path: Path) -> str:
    torch.save(as_authors_checkpoint(copy.deepcopy(network)), path)
    return str(path)


@torch.no_grad()
def test_the_authors_weights_compute_the_same_after_conversion_with_every_attention(
    authors: nn.Module, tmp_path: Path
) -> None:
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = authors(image)[0]
    converted = load_network(_save(authors, tmp_path / "v1.pt"))[0].double()
    assert all(hasattr(layer.module, "qkv") and not hasattr(layer.module, "qk") for layer in find_layers(converted))
    scale = float(expected.abs().max())
    for backend in ("stock", "eager", "sdpa"):
        inject(converted, backend)
        assert float((converted(image)[0] - expected).abs().max()) < 1e-5 * scale  # the file went through fp32


@torch.no_grad()
def test_a_fresh_model_takes_all_of_the_authors_weights_over(authors: nn.Module, tmp_path: Path) -> None:
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    converted, _ = load_network(_save(authors, tmp_path / "v1.pt"))
    expected = converted(image)[0]
    widen_position_convolutions(converted)
    fresh = build_network("yolo12n.yaml")
    fresh.load(converted)  # type: ignore[operator]
    assert transfer(fresh, converted, "v1.pt").sentence == (
        "model.weights=v1.pt: 691 of the model's 691 tensors are taken over."
    )
    assert float((fresh.eval()(image)[0] - expected).abs().max()) < 1e-4 * float(expected.abs().max())


def test_attention_of_an_unknown_code_is_refused(authors: nn.Module, tmp_path: Path) -> None:
    network = copy.deepcopy(authors)
    for layer in network.modules():
        if hasattr(layer, "qk"):
            layer.query_key = layer.qk
            del layer.qk
    with pytest.raises(RunError, match=r"trained by another code .* has v, proj, pe, query_key, and qkv, or qk and v,"):
        load_network(_save(network, tmp_path / "v0.pt"))


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty, truncated or corrupted"), (b"hello", "not a loadable")])
def test_a_file_that_is_no_checkpoint_is_refused_by_its_option(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(content)
    with pytest.raises(RunError, match=reason) as caught:
        load_network(str(path), key="latency.weights")
    assert "set latency.weights to one." in str(caught.value)


def test_weights_of_another_model_are_refused_and_a_few_misfits_are_named() -> None:
    small, medium = build_network("yolo12n.yaml"), build_network("yolo12s.yaml")
    with pytest.raises(ConfigError, match=r"at least 50% .*another model's") as caught:
        transfer(medium, small, "yolo12n.pt")
    assert "yolo12n.pt fits 150 of the model's 691 tensors, 0 of 475 outside its head; fresh ones" in str(caught.value)
    assert "model.0.conv.weight (16x3x3x3 there, 32x3x3x3 here)" in str(caught.value)
    two_classes = transfer(small, build_network("yolo12n.yaml", num_classes=2), "mine.pt")
    assert two_classes.is_whole
    assert "(64 there, 80 here)" in two_classes.sentence
    other = copy.deepcopy(small)
    other.set_submodule("model.0", nn.Identity())
    found = transfer(small, other, "mine.pt")
    assert not found.is_whole
    assert "fresh ones stay in model.0.conv.weight (absent there, 16x3x3x3 here), model.0.bn.weight" in found.sentence


class _Planted:
    """Unpickled, it makes a file: what a foreign checkpoint could do as well as anything else."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("place", ["model", "train_args", "top"])
def test_a_foreign_checkpoint_runs_no_code_unless_it_is_trusted(place: str, tmp_path: Path) -> None:
    made, network = tmp_path / "made", build_network("yolo12n.yaml")
    planted = _Planted(made)
    content: Any = {"model": network, "ema": None, "train_args": {"imgsz": 64}}
    if place == "model":
        network.extra = planted  # type: ignore[assignment]
    else:
        content[place] = {"imgsz": 64, "extra": planted}
    torch.save(content, tmp_path / "foreign.pt")
    weights = str(tmp_path / "foreign.pt")
    with pytest.raises(
        RunError, match=r"hold more than numbers and layers .*: posix\.mkdir\. .*model\.trust_weights=true"
    ):
        load_network(weights)
    assert not made.exists()
    load_network(weights, is_trusted=True)
    assert made.is_dir()


def test_an_old_pickle_runs_no_code_either(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    path.write_bytes(pickle.dumps({"model": _Planted(tmp_path / "made")}))
    with pytest.raises(RunError, match=r"code that its old format hides\. .*model\.trust_weights=true"):
        load_network(str(path))
    assert not (tmp_path / "made").exists()
