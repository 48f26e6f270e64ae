"""What does leaving the memory layout alone cost? Attention modules with the port that most people write.

    python -m benchmarks.naive_port --out benchmarks/results/NAME.json

`naive` puts scaled dot product attention in place of the product and stays in NCHW; `sdpa` is the same kernel in the
layout-aware forward that this project injects. It is no arm of task=bench, since nobody should train with it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sdpa_exp.attention.backends.sdpa import sdpa
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.convolution_attention import area_attention
from sdpa_exp.injection.dispatch import stock_forward
from sdpa_exp.measure.clock import DeviceClock
from sdpa_exp.measure.drift import ReferenceOperation, drift_of
from sdpa_exp.measure.interleaved import Contestant, time_interleaved
from sdpa_exp.measure.warmup import warm_up
from sdpa_exp.runs.environment import collect_environment
from sdpa_exp.tasks.bench.kinds import Kind, kinds_of, with_dispatchers
from sdpa_exp.tasks.bench.machine import machine_of, rules_of

FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}
Forward = Callable[[Any, Tensor], Tensor]


def main() -> None:
    """Measure what the command line asks for, print a line for each, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["yolo12n"])
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; trainings here use one on two cores")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clock = DeviceClock(device=torch.device(options.device))
    reference = ReferenceOperation(clock)
    rows = [row for model in options.models for row in measure(model, clock, reference, options)]
    if options.out:
        content = {
            "machine": machine_of(collect_environment(), clock.device),
            "settings": {key: value for key, value in vars(options).items() if key != "out"},
            "rules": rules_of(clock.source, reference.name),
            "rows": rows,
        }
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def measure(
    model: str, clock: DeviceClock, reference: ReferenceOperation, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Both kinds of layers in both memory formats."""
    rows: list[dict[str, Any]] = []
    for format_name, memory_format in FORMATS.items():
        torch.manual_seed(0)
        network = build_network(f"{model}.yaml").to(clock.device)
        network = with_dispatchers(network.to(memory_format=memory_format))
        for kind in kinds_of(network, imgsz=options.imgsz, batch=options.batch, precision="fp32", device=clock.device):
            forwards: dict[str, Forward] = {
                "stock": stock_forward(type(kind.layer.module)),
                "naive": naive_port,
                "sdpa": lambda module, x: area_attention(module, x, sdpa),
            }
            contestants = {name: Contestant(call=_call(kind, forward)) for name, forward in forwards.items()}
            warm = {name: warm_up(each.call, clock, max_s=20.0) for name, each in contestants.items()}
            before_s = reference.seconds()
            timing = time_interleaved(contestants, clock=clock, warm_ups=warm, rounds=options.rounds, seed=(len(rows),))
            row = {
                "model": model,
                "imgsz": options.imgsz,
                "batch": options.batch,
                "format": format_name,
                "layer": kind.name,
                "what": "forward+backward",
                "median_ms": {name: timing.median_s(name) * 1e3 for name in forwards},
                "speedup": {name: timing.speedup(name, "stock").to_list() for name in forwards},
                "reference_drift": drift_of(before_s, reference.seconds()),
                "rounds": timing.num_rounds,
            }
            speeds = ", ".join(f"{name} {ratio[0]:.2f}" for name, ratio in row["speedup"].items() if name != "stock")
            print(f"{model} {format_name} {kind.name}: stock {row['median_ms']['stock']:.1f} ms; {speeds} times faster")
            rows.append(row)
    return rows


def _call(kind: Kind, forward: Forward) -> Callable[[], None]:
    """Forward and backward of one module."""
    module = kind.layer.module.train()
    upstream = torch.randn(kind.call.x.shape, generator=torch.Generator().manual_seed(0)).to(kind.call.x.device)

    def call() -> None:
        forward(module, kind.call.x.detach().requires_grad_()).backward(upstream)
        module.zero_grad(set_to_none=True)

    return call


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


if __name__ == "__main__":
    main()
