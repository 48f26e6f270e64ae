"""Sizes that a layer's areas can't split are refused before anything runs, for every attention and stock alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sdpa_exp.errors import ConfigError
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.fit import check_sizes, split_layers, training_sizes
from sdpa_exp.injection.inject import inject, injected_backend
from sdpa_exp.injection.layers import find_layers
from tests.injection.areas import eight_areas


def test_a_size_that_does_not_fit_names_layer_tokens_areas_and_sizes_that_do(tmp_path: Path) -> None:
    network = build_network(eight_areas(tmp_path))
    with pytest.raises(ConfigError) as caught:
        check_sizes(network, [(160, 160)], key="latency.imgsz")
    assert str(caught.value).startswith(
        "Images of 160 x 160 px don't fit model.6.m.0.0.attn: its 100 tokens (10 x 10) can't be split into 8 areas. "
        "Sizes that fit: set latency.imgsz to 128, 192 or 256, or change the areas"
    )
    with pytest.raises(ConfigError, match=r"Images of 64 x 96 px don't fit .* Pad the images to squares"):
        check_sizes(network, [(96, 64)], key="train.imgsz")


def test_what_is_refused_is_what_the_models_own_code_cannot_run(tmp_path: Path) -> None:
    network = build_network(eight_areas(tmp_path)).eval()
    layers = split_layers(network)
    assert {(layer.areas, layer.stride) for layer in layers} == {(8, 16), (4, 32)}
    for height, width in ((32, 32), (32, 64), (64, 64), (64, 96), (96, 96), (128, 64)):
        fits = all(layer.fits(height, width) for layer in layers)
        try:
            with torch.no_grad():
                network(torch.zeros(1, 3, height, width))
        except RuntimeError:
            assert not fits
        else:
            assert fits


@pytest.mark.parametrize("architecture", ["yolo12n.yaml", "yolo11n.yaml", "rtdetr-l.yaml"])
def test_every_multiple_of_32_fits_the_models_of_ultralytics(architecture: str) -> None:
    sizes = [(height, width) for height in range(32, 200, 32) for width in range(32, 200, 32)]
    check_sizes(build_network(architecture), sizes, key="train.imgsz")


def test_sizes_of_a_training_follow_multi_scale() -> None:
    assert training_sizes(160, None) == [(160, 160)]
    assert [height for height, _ in training_sizes(160, 0.25)] == [96, 128, 160, 192, 224]


def test_sizes_are_judged_for_backends_that_run_on_one_device_alone() -> None:
    network = build_network("yolo12n.yaml")
    layers = split_layers(network)
    for name in ("efficient", "flash"):
        inject(network, name)
        assert split_layers(network) == layers
        assert injected_backend(find_layers(network)) == name
