"""What pinning a kernel costs a call: sdpa and flash run the same kernel on a CPU, and flash chooses it anew each time.

    python -m benchmarks.pinning --json benchmarks/results/pinning_cpu.json

Forward calls on 8 tokens, whose kernel takes next to nothing: sdpa, flash and a second sdpa in turns, so that what two
copies differ by stands beside the difference. The least time of all turns is that of a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sdpa_exp.attention.registry import get_backend
from sdpa_exp.measure.interleaved import Rounds

SHAPE = (1, 1, 8, 8)  # B, H, N, D
CALLS = 500  # a turn


def main() -> None:
    """Measure and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    content = {"schema_version": 1, "torch": torch.__version__, **measure(options.rounds)}
    options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(options.json.read_text(encoding="utf-8"))


def measure(rounds: int) -> dict[str, Any]:
    """Microseconds of a call, the least of all turns, and how much more flash takes."""
    backends = {name: get_backend(name.removesuffix(" again")) for name in ("sdpa", "flash", "sdpa again")}
    functions = {name: backend.function for name, backend in backends.items() if backend.function is not None}
    q_BHND = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))
    taken_us: dict[str, list[float]] = {name: [] for name in functions}
    with torch.inference_mode():
        for order in Rounds(functions, num=rounds, max_s=60, seed=(0,)):
            for name in order:
                start_s = time.perf_counter()
                for _ in range(CALLS):
                    functions[name](q_BHND, q_BHND, q_BHND, 0.125)
                taken_us[name].append(1e6 * (time.perf_counter() - start_s) / CALLS)
    least_us = {name: float(np.min(values)) for name, values in taken_us.items()}
    return {
        "tokens": SHAPE[2],
        "calls_per_turn": CALLS,
        "turns": len(taken_us["sdpa"]),
        "least_us": least_us,
        "pinning_us": least_us["flash"] - least_us["sdpa"],
        "copies_us": least_us["sdpa again"] - least_us["sdpa"],
    }


if __name__ == "__main__":
    main()
