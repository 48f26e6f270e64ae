"""Gradients of stock layers and of whole models against central differences: where else is a backward wrong?

python -m benchmarks.gradient_check benchmarks/results/gradients_cpu.json

A cell is a layer family in a memory format, with 1 to 3 images, at a size that its areas divide or not, in fp64, fp32
or bf16 autocast, compiled or not, in training or evaluation mode. `error` is the error of the gradient along random
directions as a share of its size: the gradient in that setting against differences of the same module in fp64. A cell
is wrong where it exceeds what its precision explains (`LIMITS`). The file is rewritten after every family.
"""

from __future__ import annotations

import copy
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.vision_transformer import EncoderBlock  # type: ignore[import-untyped]
from ultralytics.nn.modules.block import AAttn
from ultralytics.nn.modules.block import Attention as PsaAttention
from ultralytics.nn.modules.transformer import AIFI

from sdpa_exp import Attention
from sdpa_exp.evidence.equivalence import versions
from sdpa_exp.evidence.layer_run import FORMATS, LayerCall, run_layer
from sdpa_exp.evidence.reference import Differences
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.inject import inject

LIMITS = {"fp64": 1e-6, "fp32": 1e-3, "bf16": 0.1}
"""Far above the roundings of a layer in that precision, and far below a wrong gradient."""
FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "area attention, 4 areas": lambda: AAttn(32, 2, 4),
    "area attention, 1 area": lambda: AAttn(32, 2, 1),
    "PSA attention": lambda: PsaAttention(32, 2),
    "AIFI": lambda: AIFI(32, 64, 4),
    "encoder block": lambda: EncoderBlock(4, 32, 64, 0.0, 0.0),
    "ViT attention": lambda: Attention(32, 4, backend="stock"),
}
IMAGES = ("area attention, 4 areas", "area attention, 1 area", "PSA attention", "AIFI")
SIZES = ((8, 8), (4, 7))  # the areas are even halves of rows in the first, and cut rows apart in the second
BATCHES = (1, 2, 3)


def main() -> None:
    """Check everything, write the file from the command line after each family."""
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    content: dict[str, Any] = {
        "command": "python -m benchmarks.gradient_check " + " ".join(sys.argv[1:]),
        "versions": versions(torch.device("cpu")),
        "limits": LIMITS,
        "rows": [],
        "whole_models": [],
    }
    for family in FAMILIES:
        content["rows"] += list(family_rows(family))
        _write(out, content)
    for model, backend, images in itertools.product(("yolo12n.yaml", "yolo11n.yaml"), ("stock", "stock_fixed"), (1, 2)):
        content["whole_models"].append(whole_model(model, backend, images))
        _write(out, content)


def _write(out: Path, content: dict[str, Any]) -> None:
    wrong = [row for row in content["rows"] + content["whole_models"] if row["wrong"]]
    content["num_cells"], content["num_wrong"] = len(content["rows"]), len([r for r in wrong if r in content["rows"]])
    content["table"] = _table(content["rows"])
    out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{len(content['rows'])} cells, {len(content['whole_models'])} models, {len(wrong)} wrong", flush=True)


def family_rows(
    family: str, *, backend: str = "stock", compiled: tuple[bool, ...] = (False, True)
) -> Iterator[dict[str, Any]]:
    """All cells of a family; compiled ones for the first size and fp32 in training alone, since each compiles anew."""
    formats = FORMATS if family in IMAGES else {"tokens": torch.contiguous_format}
    for (name, memory_format), batch, size, mode in itertools.product(
        formats.items(), BATCHES, SIZES, ("train", "eval")
    ):
        torch.manual_seed(0)
        module = FAMILIES[family]()
        if family in IMAGES:
            x = torch.randn(batch, 32, *size).contiguous(memory_format=memory_format)
            module = module.to(memory_format=memory_format)
        else:
            x = torch.randn(batch, size[0] * size[1], 32)
        network = nn.Sequential(module).train(mode == "train")
        inject(network, backend)
        differences = Differences(copy.deepcopy(network).double(), _call(x, name), torch.float32)
        for precision, is_compiled in itertools.product(LIMITS, compiled):
            if is_compiled and (precision != "fp32" or mode == "eval" or size != SIZES[0]):
                continue
            error = differences.error(_gradients(network, _call(x, name), precision, is_compiled=is_compiled))
            yield {
                "family": family,
                "format": name,
                "images": batch,
                "size": list(size),
                "mode": mode,
                "precision": precision,
                "compiled": is_compiled,
                "error": float(f"{error:.2g}"),
                "wrong": not error <= LIMITS[precision],
            }


def _call(x: Tensor, name: str) -> LayerCall:
    call = LayerCall(args=(x,), kwargs={})
    return call.laid_out(name) if name in FORMATS else call


def _gradients(network: nn.Module, call: LayerCall, precision: str, *, is_compiled: bool) -> Any:
    module: nn.Module = copy.deepcopy(network)
    if is_compiled:
        torch._dynamo.reset()
        module.forward = torch.compile(module.forward, backend="aot_eager")
    if precision == "fp64":
        return run_layer(module.double(), call, torch.float32, in_fp64=True)
    if precision == "fp32":
        return run_layer(module, call, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # inputs stay fp32, as differences see them
        return run_layer(module, call, torch.float32)


def whole_model(architecture: str, backend: str, images: int) -> dict[str, Any]:
    """The gradient of a model's loss, as an optimiser takes it, along random directions in fp64."""
    torch.manual_seed(0)
    network: Any = build_network(architecture, 3).double().train()
    for parameter in network.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    inject(network, backend)
    x = torch.rand(images, 3, 160, 160, dtype=torch.float64)

    def loss() -> Tensor:
        """Smooth, unlike the detection loss, whose assignment of boxes jumps; every output takes part."""
        out = network(x)
        maps = list(out.values()) if isinstance(out, dict) else list(out)
        return sum((_smooth(each) for each in maps), torch.zeros((), dtype=torch.float64))

    parameters = [p for p in network.parameters() if p.requires_grad]
    loss().backward()
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]
    generator = torch.Generator().manual_seed(1)
    off = size = 0.0
    for _ in range(3):
        direction = [
            torch.randn(p.shape, generator=generator, dtype=p.dtype) * (p.detach().std() if p.numel() > 1 else 1)
            for p in parameters
        ]
        along = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))
        values = []
        with torch.no_grad():
            for sign in (1, -2, 1):
                for p, d in zip(parameters, direction, strict=True):
                    p.add_(d, alpha=sign * 1e-6)
                values.append(float(loss()))
        want = (values[0] - values[1]) / 2e-6
        off, size = off + (along - want) ** 2, size + want**2
    error = (off / size) ** 0.5
    return {
        "model": architecture.removesuffix(".yaml"),
        "backend": backend,
        "images": images,
        "error": float(f"{error:.2g}"),
        "wrong": not error <= LIMITS["fp32"],  # differences of a whole model are this good: max pooling has kinks
    }


def _smooth(each: Any) -> Tensor:
    if isinstance(each, Tensor):
        weights = torch.linspace(-1, 1, each.numel(), dtype=each.dtype).view(each.shape)
        return (torch.tanh(each) * weights).sum()
    parts = list(each.values()) if isinstance(each, dict) else list(each)
    return sum((_smooth(part) for part in parts), torch.zeros((), dtype=torch.float64))


def _table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The worst error of a family by format, mode, precision and compilation, at one image and at more."""
    table = []
    keys = dict.fromkeys((r["family"], r["format"], r["mode"], r["precision"], r["compiled"]) for r in rows)
    for key in keys:
        here = [r for r in rows if (r["family"], r["format"], r["mode"], r["precision"], r["compiled"]) == key]
        one = max(r["error"] for r in here if r["images"] == 1)
        more = max(r["error"] for r in here if r["images"] > 1)
        names = ("family", "format", "mode", "precision", "compiled")
        table.append(
            dict(zip(names, key, strict=True))
            | {"one_image": one, "more_images": more, "wrong": any(r["wrong"] for r in here)}
        )
    return table


if __name__ == "__main__":
    main()
