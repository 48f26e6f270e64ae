"""The count that decided against a kernel of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.kernel_floor import CARDS, SCORES, count, product_s, saved_bytes

COMMITTED = Path(__file__).parents[2] / "benchmarks" / "results" / "kernel_floor.json"


def test_the_committed_counts_are_what_the_script_counts() -> None:
    rows = json.loads(COMMITTED.read_text(encoding="utf-8"))["rows"]
    assert rows == json.loads(json.dumps(count(saved_bytes())))


def test_flops_exponentials_and_bytes_agree_with_a_sum_by_hand() -> None:
    # A100, no padding: 4 layers with 16 x 4 x 2 heads and 4 with 16 x 1 x 4. Forward waits for exponentials (65.7 ns a
    # head; tensor cores 65.6, memory 50.2), backward for the tensor cores (164.1 ns; 65.7 and 100.4).
    forward_s, backward_s = 400 * 400 / (108 * 16 * 1.41e9), 5 * 2 * 400 * 400 * 32 / 312e12
    assert product_s(CARDS["A100 SXM"], SCORES["ideal"]) == pytest.approx((512 + 256) * (forward_s + backward_s))


def test_more_padding_never_takes_less_time() -> None:
    for card in CARDS.values():
        times = [product_s(card, scores) for scores in sorted(SCORES.values())]
        assert times == sorted(times)
