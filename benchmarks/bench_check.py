"""Do the op figures of task=bench agree with PyTorch's own timer? torch.utils.benchmark against ours, in turns.

    python -m benchmarks.bench_check --out benchmarks/results/timer_check_cpu.json

For each shape and backend both time the same call several times, alternately; what is compared is the median of either.
Exit code 1 when any pair differs by more than the tolerance.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import torch
from torch.utils.benchmark import Timer

from sdpa_exp.attention.registry import get_backend
from sdpa_exp.measure.clock import DeviceClock
from sdpa_exp.measure.warmup import calls_per_sample, warm_up
from sdpa_exp.runs.environment import collect_environment
from sdpa_exp.tasks.bench.machine import machine_of
from sdpa_exp.tasks.bench.op import forward, forward_backward

TOLERANCE = 0.10
SHAPES = ((8, 8, 256, 64), (1, 8, 400, 64), (2, 8, 1024, 64))
BACKENDS = ("eager", "flash", "math")
_REPEATS = 5
_RUN_S = 0.4


def main() -> int:
    """Compare, print a line for each, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    rows = [
        compare(backend, shape, is_backward=is_backward, device=device, dtype=dtype)
        for shape in SHAPES
        for backend in BACKENDS
        for is_backward in (False, True)
    ]
    for row in rows:
        print(f"{row['backend']:<6} {row['shape']} {row['what']:<16} ours / torch's {row['ratio']:.3f}")
    is_ok = all(abs(row["ratio"] - 1) <= TOLERANCE for row in rows)
    print(f"all within {TOLERANCE:.0%}: {is_ok}")
    if options.out:
        content = {
            "machine": machine_of(collect_environment(), device),
            "what": "median seconds of one call: sdpa_exp.measure over torch.utils.benchmark.Timer.blocked_autorange",
            "tolerance": TOLERANCE,
            "is_ok": is_ok,
            "rows": rows,
        }
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0 if is_ok else 1


def compare(
    backend: str, shape: tuple[int, int, int, int], *, is_backward: bool, device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    """Both timers on one call, in turns."""
    function = get_backend(backend).function
    call = forward_backward if is_backward else forward
    qkv = [torch.randn(shape, device=device, dtype=dtype) for _ in range(3)]
    upstream = torch.randn(shape, device=device, dtype=dtype)
    timer = Timer("call(function, qkv, upstream)", globals={**locals()}, num_threads=torch.get_num_threads())
    clock = DeviceClock(device=device)

    def once() -> None:
        call(function, qkv, upstream)  # type: ignore[arg-type]

    num_calls = calls_per_sample(warm_up(once, clock, max_s=5.0).call_s)
    ours, theirs = [], []
    for _ in range(_REPEATS):
        theirs.append(timer.blocked_autorange(min_run_time=_RUN_S).median)
        count = max(3, round(_RUN_S / (theirs[-1] * num_calls)))
        ours.append(statistics.median(clock.seconds(once, num_calls=num_calls) for _ in range(count)))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return {
        "backend": backend,
        "shape": list(shape),
        "what": "forward+backward" if is_backward else "forward",
        "ours_s": statistics.median(ours),
        "theirs_s": statistics.median(theirs),
        "ratio": ratio,
    }


if __name__ == "__main__":
    sys.exit(main())
