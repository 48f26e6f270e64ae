"""Does verify's rule pass what is right and find what is wrong? Honest cases and planted faults, one JSON.

python -m benchmarks.calibrate_verify benchmarks/results/verify_calibration_cpu.json --best-pt best.pt --images folder

A case is one layer with one backend in one setting: a fresh or trained model, 1 to 16 images, 160 to 1280 px, both
memory formats, three precisions. The file is rewritten after every setting, so that an interrupted run
keeps what it has.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from sdpa_exp import Attention
from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.evidence.equivalence import judge_layer, prepare_layer, versions
from sdpa_exp.evidence.layer_run import FORMATS, as_stock, capture_calls
from sdpa_exp.evidence.rule import MAX_RATIO, LayerEquivalence, largest_of
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.inject import inject
from sdpa_exp.injection.layers import find_layers
from tests.evidence.faults import FAULTS, FUSED_FAULTS

HONEST = ("stock_fixed", "eager", "sdpa", "flash", "math")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A model on images. `layers`: how many of its layers, spread over all."""

    model: str
    images: int
    px: int
    precisions: tuple[str, ...] = ("fp32", "bf16", "fp16")
    formats: tuple[str, ...] = tuple(FORMATS)
    layers: int = 2
    weights: str = "fresh"


_NCHW = ("NCHW",)
_FP32 = ("fp32",)
SETTINGS = (
    Setting(model="yolo12n.yaml", images=4, px=320, precisions=_FP32, formats=_NCHW, layers=8, weights="trained"),
    Setting(model="yolo12n.yaml", images=4, px=416, precisions=_FP32, formats=_NCHW, layers=8, weights="trained"),
    Setting(model="vit", images=3, px=0, formats=_NCHW),
    Setting(model="yolo12n.yaml", images=1, px=160),
    Setting(model="yolo12n.yaml", images=2, px=160),
    Setting(model="yolo11n.yaml", images=2, px=160, precisions=("fp32", "bf16")),
    Setting(model="yolo12n.yaml", images=16, px=160, precisions=_FP32, formats=_NCHW),
    Setting(model="yolo12n.yaml", images=1, px=640, precisions=("fp32", "bf16"), formats=_NCHW),
    Setting(model="yolo12s.yaml", images=2, px=160, precisions=("fp32", "bf16"), formats=_NCHW),
    Setting(model="rtdetr-l.yaml", images=1, px=160, precisions=("fp32", "bf16"), formats=_NCHW),
    Setting(model="yolo12n.yaml", images=1, px=1280, precisions=_FP32, formats=_NCHW),
    Setting(model="yolo12n.yaml", images=4, px=320, precisions=("bf16", "fp16"), formats=_NCHW, weights="trained"),
)


def main() -> None:
    """Run all settings, write the file after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--best-pt", type=Path, help="trained weights; without them the trained settings are left out")
    parser.add_argument("--skip", type=int, default=0, help="settings at the start that were run before")
    parser.add_argument("--images", type=Path, help="a folder of images; without it they are noise")
    parser.add_argument("--precisions", default="fp32,bf16,fp16", help="only these; to join with an earlier file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    content: dict[str, Any] = {
        "command": "python -m benchmarks.calibrate_verify " + " ".join(sys.argv[1:]),
        "versions": versions(torch.device("cpu")),
        "max_ratio": MAX_RATIO,
        "honest": [],
        "planted": [],
    }
    for setting in SETTINGS[args.skip :]:
        if setting.weights == "trained" and args.best_pt is None:
            continue
        chosen = tuple(each for each in setting.precisions if each in args.precisions.split(","))
        setting = replace(setting, precisions=chosen)  # noqa: PLW2901
        start = time.monotonic()
        for row in calibrate(setting, args.best_pt, args.images):
            content["planted" if row["is_planted"] else "honest"].append(row)
        content["summary"] = _summary(content)
        args.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        print(f"{setting}: {time.monotonic() - start:.0f} s; {content['summary']}", flush=True)


def calibrate(setting: Setting, best_pt: Path | None = None, folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """All cases of a setting, judged; trained weights and images as on the command line."""
    network, images = _model(setting, best_pt, folder)
    for memory_format in setting.formats:
        yield from _rows(network, images, setting, memory_format)


def _model(setting: Setting, best_pt: Path | None, folder: Path | None) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    if setting.model == "vit":
        return nn.Sequential(Attention(64, 4), Attention(64, 4)), torch.randn(setting.images, 50, 64)
    if setting.weights == "trained":
        checkpoint = torch.load(str(best_pt), map_location="cpu", weights_only=False)
        network = (checkpoint.get("ema") or checkpoint["model"]).float()
    else:
        network = build_network(setting.model, 3)
    files = sorted(folder.glob("*.jpg"))[: setting.images] if folder else []
    if not files:
        return network, torch.rand(setting.images, 3, setting.px, setting.px)
    pictures = [cv2.resize(np.asarray(cv2.imread(str(file))), (setting.px, setting.px))[:, :, ::-1] for file in files]
    return network, torch.from_numpy(np.stack(pictures).copy()).permute(0, 3, 1, 2).float() / 255


def _rows(network: nn.Module, images: Tensor, setting: Setting, memory_format: str) -> Iterator[dict[str, Any]]:
    network = copy.deepcopy(network)
    if images.ndim == 4:
        network = network.to(memory_format=FORMATS[memory_format])
        images = images.contiguous(memory_format=FORMATS[memory_format])
    calls = capture_calls(network, images)
    plain = {layer.name: layer.module for layer in find_layers(as_stock(network).train())}
    names = list(plain)[:: max(1, len(plain) // setting.layers)][: setting.layers]
    for precision in setting.precisions:
        dtype = DTYPES[precision]
        prepared = {name: prepare_layer(plain[name], calls[name], dtype) for name in names}
        # Where one image has one area, no area can be shifted; larger sizes would only take longer.
        plants = FAULTS if precision == "fp32" else FUSED_FAULTS
        if setting.images == 1 or setting.px > 320:
            plants = []
        for backend in (*HONEST, *plants):
            tested = copy.deepcopy(network).train()
            inject(tested, f"tests.evidence.faults:{backend}" if backend in plants else backend)
            for layer in find_layers(tested):
                if layer.name in (names[:2] if backend in plants else names):
                    found = judge_layer(
                        prepared[layer.name], layer, calls[layer.name], dtype=dtype, max_ratio=MAX_RATIO
                    )
                    yield _row(found, setting, memory_format, backend)


def _row(found: LayerEquivalence, setting: Setting, memory_format: str, backend: str) -> dict[str, Any]:
    ratios = {part.name: part.ratio for part in found.parts}
    worst = largest_of(ratios.values())
    return {
        "model": setting.model.removesuffix(".yaml"),
        "weights": setting.weights,
        "images": setting.images,
        "px": setting.px,
        "format": memory_format,
        "precision": found.precision,
        "layer": found.layer,
        "backend": backend,
        "is_planted": backend in (*FAULTS, *FUSED_FAULTS),
        "ok": found.ok,
        "blind_parts": [part.name for part in found.parts if part.is_blind],
        "worst_ratio": None if math.isnan(worst) else float(f"{worst:.3g}"),
        "worst_part": max(ratios, key=lambda name: ratios[name]),
        "stock_ratio": float(f"{largest_of(part.plain_ratio for part in found.parts):.3g}"),
    }


def _summary(content: dict[str, Any]) -> dict[str, Any]:
    honest, planted = content["honest"], content["planted"]
    return {
        "num_honest": len(honest),
        "num_honest_called_wrong": sum(not row["ok"] for row in honest),
        "largest_honest_ratio": max((row["worst_ratio"] for row in honest), default=None),
        "num_planted": len(planted),
        "num_planted_missed": sum(row["ok"] and not row.get("blind_parts") for row in planted),
        "num_planted_in_a_blind_part": sum(row["ok"] and bool(row.get("blind_parts")) for row in planted),
        "smallest_planted_ratio": min(
            (row["worst_ratio"] for row in planted if row["worst_ratio"] is not None and not row["ok"]), default=None
        ),
    }


if __name__ == "__main__":
    main()
