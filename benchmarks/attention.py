"""How much faster is YOLO12 with each core? Modules, training steps and inference, against stock and a floor.

    python -m benchmarks.attention --out benchmarks/results/NAME.json
    python -m benchmarks.attention --models yolo12n yolo12s --levels module --formats channels_last

`naive` is the port that most people write (NCHW throughout): it shows what the layout-aware forward is for.
`identity` computes no attention at all (out = v): the floor that no core can beat. Both exist only here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.interleaved import machine, time_interleaved
from sdpa_exp import inject
from sdpa_exp.attention.auto import AUTO
from sdpa_exp.attention.choice import refusal
from sdpa_exp.attention.registry import CORES
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.injection.area_attention import area_attention
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.dispatch import stock_forward
from sdpa_exp.injection.sites import Site, find_sites

FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def main() -> None:
    """Measure what the command line asks for, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["yolo12n", "yolo12s"])
    parser.add_argument("--levels", nargs="+", default=["core", "module", "step", "inference"])
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--imgsz", nargs="+", type=int, default=[640])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--dtype", default="fp32", choices=list(DTYPES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--step-rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; trainings here use one on two cores")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for model in options.models:
        for imgsz in options.imgsz:
            for memory_format in options.formats:
                for row in measure(model, imgsz, memory_format, options):
                    rows.append(row)
                    print(line(row), flush=True)
    if options.out:
        device = torch.device(options.device)
        settings = {key: value for key, value in vars(options).items() if key != "out"}
        content = {"machine": machine(device), "settings": settings, "rows": rows}
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def measure(model: str, imgsz: int, format_name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All levels for one model, image size and memory format."""
    torch.manual_seed(0)
    device, dtype = torch.device(options.device), DTYPES[options.dtype]
    memory_format = FORMATS[format_name]
    network = build_network(f"{model}.yaml", 3).to(device)
    network = network.to(memory_format=memory_format)
    images = torch.rand(options.batch, 3, imgsz, imgsz, device=device).contiguous(memory_format=memory_format)
    common = {"model": model, "imgsz": imgsz, "format": format_name, "dtype": options.dtype, "batch": options.batch}
    rows = []
    if "core" in options.levels:
        for name, site, x in distinct_sites(network, images, dtype):
            qkv = operands_of(site, x, dtype)
            for direction in ("forward", "forward+backward"):
                calls = {
                    core.name: core_call(core.function, qkv, backward=direction != "forward")
                    for core in CORES.values()
                    if core.function is not None
                    and core is not AUTO
                    and not refusal(core, setting_of(site, device, dtype))
                }
                timing = time_interleaved(calls, rounds=options.rounds, warmup=3, device=device)
                row = {**common, "level": f"core {name}", "what": direction, "shape_BHND": list(qkv[0].shape)}
                rows.append({**row, **figures(timing, "eager")})
    if "module" in options.levels:
        for name, site, x in distinct_sites(network, images, dtype):
            for direction in ("forward", "forward+backward"):
                calls = {
                    arm: module_call(site.module, x, forward, dtype, backward=direction != "forward")
                    for arm, forward in module_forwards(site, device, dtype).items()
                }
                timing = time_interleaved(calls, rounds=options.rounds, warmup=3, device=device)
                rows.append({**common, "level": f"module {name}", "what": direction, **figures(timing)})
    arms = [arm for arm in CORES if arm != AUTO.name and not refusals(network, arm, device, dtype)]
    if "step" in options.levels:
        calls = {arm: step_call(network, arm, images, dtype) for arm in arms}
        timing = time_interleaved(calls, rounds=options.step_rounds, warmup=1, device=device)
        rows.append({**common, "level": "training step", "what": "forward+backward", **figures(timing)})
    if "inference" in options.levels:
        fused: Any = build_network(f"{model}.yaml", 3).to(device).eval()
        fused = fused.fuse(verbose=False)
        fused = fused.to(memory_format=memory_format)
        calls = {arm: inference_call(fused, arm, images[:1], dtype) for arm in arms}
        timing = time_interleaved(calls, rounds=options.rounds, warmup=3, device=device)
        rows.append({**common, "batch": 1, "level": "inference", "what": "forward", **figures(timing)})
    return rows


def distinct_sites(network: nn.Module, images: Tensor, dtype: torch.dtype) -> list[tuple[str, Site, Tensor]]:
    """(P4 or P5, a site, its real input) for each kind of site in the model."""
    inputs: dict[str, Tensor] = {}
    sites = find_sites(network)
    handles = [
        site.module.register_forward_pre_hook(
            lambda _, args, name=site.name: inputs.__setitem__(name, args[0].detach())
        )
        for site in sites
    ]
    with torch.no_grad(), autocast(images.device, dtype):
        network.train()(images)
    for handle in handles:
        handle.remove()
    kinds: dict[str, tuple[str, Site, Tensor]] = {}
    for site in sites:
        stride = images.shape[-1] // inputs[site.name].shape[-1]
        kinds.setdefault(f"P{stride.bit_length() - 1}", (f"P{stride.bit_length() - 1}", site, inputs[site.name]))
    return list(kinds.values())


def operands_of(site: Site, x: Tensor, dtype: torch.dtype) -> list[Tensor]:
    """q, k, v as the layout-aware forward hands them to a core, detached."""
    seen: list[Tensor] = []

    def note(q: Tensor, k: Tensor, v: Tensor, _scale: float) -> Tensor:
        seen.extend(part.detach() for part in (q, k, v))
        return v

    with torch.no_grad(), autocast(x.device, dtype):
        area_attention(site.module, x, note)
    return seen


def core_call(function: Any, qkv: list[Tensor], *, backward: bool) -> Callable[[], None]:
    """One call of a core: forward, or forward and backward."""
    upstream = torch.randn_like(qkv[2])

    def call() -> None:
        leaves = [part.requires_grad_() for part in (tensor.detach() for tensor in qkv)]
        out = function(*leaves, leaves[0].shape[-1] ** -0.5)
        if backward:
            torch.autograd.grad(out, leaves, upstream)

    return call


def module_forwards(site: Site, device: torch.device, dtype: torch.dtype) -> dict[str, Callable[[Any, Tensor], Tensor]]:
    """How each arm computes one module."""
    forwards: dict[str, Callable[[Any, Tensor], Tensor]] = {"stock": stock_forward(type(site.module))}
    forwards["naive"] = naive_port
    for core in CORES.values():
        if core.function not in (None, AUTO.function) and not refusal(core, setting_of(site, device, dtype)):
            forwards[core.name] = partial(area_attention, core=core.function)
    forwards["identity"] = partial(area_attention, core=lambda _q, _k, v, _scale: v)
    return forwards


def naive_port(module: Any, x: Tensor) -> Tensor:
    """Scaled dot product attention put in place of the product, the memory layout left as it comes."""
    batch, channels, height, width = x.shape
    areas, heads, head_dim = module.area, module.num_heads, module.head_dim
    tokens = height * width
    qkv = module.qkv(x).flatten(2).transpose(1, 2).reshape(batch * areas, tokens // areas, heads, 3 * head_dim)
    q, k, v = qkv.transpose(1, 2).split(head_dim, dim=-1)
    out = F.scaled_dot_product_attention(q, k, v, scale=head_dim**-0.5)
    out, v = (t.transpose(1, 2).reshape(batch, height, width, channels).permute(0, 3, 1, 2) for t in (out, v))
    result: Tensor = module.proj(out.contiguous() + module.pe(v.contiguous()))
    return result


def module_call(
    module: nn.Module, x: Tensor, forward: Any, dtype: torch.dtype, *, backward: bool
) -> Callable[[], None]:
    """One call of a module: forward, or forward and backward."""
    upstream = torch.randn_like(x)

    def call() -> None:
        leaf = x.detach().requires_grad_()
        with autocast(x.device, dtype):
            out = forward(module, leaf)
        if backward:
            module.zero_grad()
            out.backward(upstream.to(out.dtype))

    return call


def step_call(network: nn.Module, arm: str, images: Tensor, dtype: torch.dtype) -> Callable[[], None]:
    """Forward and backward of the whole model with synthetic gradients at its outputs; no loss, no optimizer."""

    def call() -> None:
        inject(network, arm)
        network.train().zero_grad()
        with autocast(images.device, dtype):
            outputs = tensors_in(network(images))
        torch.autograd.backward(outputs, [torch.ones_like(output) * 1e-3 for output in outputs])

    return call


def inference_call(network: nn.Module, arm: str, image: Tensor, dtype: torch.dtype) -> Callable[[], None]:
    """One image through the fused model."""

    @torch.inference_mode()
    def call() -> None:
        inject(network, arm)
        with autocast(image.device, dtype):
            network(image)

    return call


def refusals(network: nn.Module, arm: str, device: torch.device, dtype: torch.dtype) -> list[str]:
    """Why an arm can't run on this model here."""
    return [reason for site in find_sites(network) for reason in refusal(CORES[arm], setting_of(site, device, dtype))]


def setting_of(site: Site, device: torch.device, dtype: torch.dtype) -> Setting:
    """What a core is asked to do at this site."""
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    return Setting(
        device_type=device.type,
        capability=capability,
        dtype=dtype,
        head_dim_qk=site.head_dim_qk,
        head_dim_v=site.head_dim_v,
    )


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Autocast for half precisions, nothing for fp32."""
    half = dtype is not torch.float32
    return torch.autocast(device.type, dtype=dtype if half else torch.bfloat16, enabled=half)


def tensors_in(output: Any) -> list[Tensor]:
    """The floating-point tensors with gradients in a nested output."""
    if isinstance(output, Tensor):
        return [output] if output.requires_grad else []
    values = output.values() if isinstance(output, dict) else output
    return [tensor for value in values for tensor in tensors_in(value)]


def figures(timing: Any, reference: str = "stock") -> dict[str, Any]:
    """Medians, and speed-ups over the reference with intervals."""
    return {
        "median_ms": {name: round(timing.median_s(name) * 1e3, 3) for name in timing.seconds},
        "reference": reference,
        "speedup": {name: [round(x, 3) for x in timing.speedup(name, reference)] for name in timing.seconds},
    }


def line(row: dict[str, Any]) -> str:
    """One row for the terminal."""
    head = f"{row['model']} {row['imgsz']} {row['format']:<13} {row['dtype']} b{row['batch']} {row['level']:<13}"
    reference = row["reference"]
    speeds = "  ".join(f"{name} {ratio[0]:.2f}" for name, ratio in row["speedup"].items() if name != reference)
    return f"{head} {row['what']:<16} {reference} {row['median_ms'][reference]:.1f} ms; times faster: {speeds}"


if __name__ == "__main__":
    main()
