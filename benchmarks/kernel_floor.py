"""Would a kernel of our own for YOLO12's shapes pay? Bytes, FLOPs and exponentials counted, before anything is written.

    python -m benchmarks.kernel_floor --out benchmarks/results/kernel_floor.json

The idea: with N = 400 tokens and head_dim 32, all keys and values of a head fit into shared memory and the scores of a
row into registers, so that no online softmax and no padding of the head are needed. What is left to gain over
FlashAttention 2 is then its padding: it computes 512 x 512 scores in tiles of 128 x 128 where 400 x 400 are wanted.
A tile of Triton is a power of two in each direction: rows of 32 waste little (416), but a row of scores is 512 long.
PyTorch's `efficient` kernel has tiles of 64 x 64 (448 x 448), and so pads less than either.

For each card: the time that the slowest of tensor cores, special function units and memory needs for all eight layers,
forward and backward, with each padding; and beside it the least time of a whole training step, which is that of
writing every tensor saved for backward once and reading it once (measured bytes: profile_cpu.json, where fp32 at batch
8 has as many bytes as bf16 at batch 16). A real step takes several times that; so `gain_of_step` is an upper bound.

Sources: tile sizes, flash_fwd_launch_template.h and flash_bwd_launch_template.h (run_mha_*_hdim32) and PyTorch's
mem_eff_attention; peaks, NVIDIA's data sheets (dense bf16, fp16 on a T4); 16 exponentials a clock and multiprocessor,
CUDA C++ Programming Guide, arithmetic instructions. Nothing here was run on a GPU.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROFILE = Path(__file__).parent / "results" / "profile_cpu.json"

BATCH, TOKENS, HEAD_DIM, BYTES = 16, 400, 32, 2
# YOLO12n at 640 px: (layers, areas, heads) at P4 and P5
LAYERS = ((4, 4, 2), (4, 1, 4))
SCORES = {
    "ideal": TOKENS * TOKENS,
    "flash": 512 * 512,  # tiles of 128 x 128
    "efficient": 448 * 448,  # tiles of 64 x 64
    "own": 416 * 512,  # tiles of 32 x 512
}


@dataclass(frozen=True, kw_only=True)
class Card:
    """Peaks of a card: operations, bytes and exponentials a second; `driver_name` is a part of what its driver says."""

    driver_name: str
    flops: float
    bytes: float
    exponentials: float
    has_flash: bool = True


CARDS = {
    "T4": Card(driver_name="Tesla T4", flops=65e12, bytes=320e9, exponentials=40 * 16 * 1.59e9, has_flash=False),
    "RTX 4060 Laptop": Card(driver_name="RTX 4060 Laptop", flops=60e12, bytes=256e9, exponentials=24 * 16 * 2.3e9),
    "A100 SXM": Card(driver_name="A100-SXM", flops=312e12, bytes=2039e9, exponentials=108 * 16 * 1.41e9),
    "H100 SXM": Card(driver_name="H100 80GB HBM3", flops=989e12, bytes=3350e9, exponentials=132 * 16 * 1.83e9),
}


def product_s(card: Card, scores: int) -> float:
    """Seconds that all attention products of a step need at least, forward and backward.

    Forward has two matrix products and one exponential a score, and moves q, k, v and out; backward has five products,
    recomputes the exponentials, and moves q, k, v, out, its gradient, and three gradients.
    """
    total_s = 0.0
    for num_layers, num_areas, num_heads in LAYERS:
        problems = BATCH * num_areas * num_heads
        flops, exponentials = 2 * scores * HEAD_DIM * problems, scores * problems
        moved = TOKENS * HEAD_DIM * BYTES * problems
        total_s += num_layers * sum(
            max(products * flops / card.flops, exponentials / card.exponentials, tensors * moved / card.bytes)
            for products, tensors in ((2, 4), (5, 8))
        )
    return total_s


def saved_bytes() -> float:
    """Bytes that the sdpa arm's training step keeps for backward, as measured."""
    rows = json.loads(PROFILE.read_text(encoding="utf-8"))["rows"]
    sdpa = next(row for row in rows if row["arm"] == "sdpa")
    return float(sdpa["memory"]["saved"]) * 2**20


def count(step_bytes: float) -> list[dict[str, Any]]:
    """One row a card; `gain` is against the best kernel that runs on it, negative where ours would pad more."""
    rows: list[dict[str, Any]] = []
    for name, card in CARDS.items():
        floors = {what: product_s(card, scores) for what, scores in SCORES.items()}
        others = [floors["efficient"]] + [floors["flash"]] * card.has_flash
        own, step_s = floors["own"], 2 * step_bytes / card.bytes
        rows.append(
            {
                "card": name,
                "product_us": {what: 1e6 * value for what, value in floors.items()},
                "step_at_least_ms": 1e3 * step_s,
                "gain_over_flash_of_step": (others[-1] - own) / step_s if card.has_flash else None,
                "gain_over_best_of_step": (min(others) - own) / step_s,
            }
        )
    return rows


def main() -> None:
    """Write the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    out = parser.parse_args().out
    rows = count(saved_bytes())
    out.write_text(json.dumps({"model": "yolo12n", "imgsz": 640, "batch": BATCH, "rows": rows}, indent=1) + "\n")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
