"""Our times of the product against PyTorch's own timer, and the committed decision table against its sources."""

from __future__ import annotations

import pytest
import torch

from benchmarks.bench_check import compare
from benchmarks.decision import DECISION, sources, table


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", "flash"])
@pytest.mark.parametrize("is_backward", [False, True], ids=["forward", "forward+backward"])
def test_a_time_agrees_with_torch_utils_benchmark_on_the_same_call(backend: str, is_backward: bool) -> None:
    row = compare(backend, (1, 8, 400, 64), is_backward=is_backward, device=torch.device("cpu"), dtype=torch.float32)
    assert row["ratio"] == pytest.approx(1.0, abs=0.30)  # taken in turns; a busy machine scatters both


@pytest.mark.skipif(not sources(), reason="no benchmarks/results/bench_*.json has been committed yet")
def test_the_committed_decision_table_is_what_its_sources_say() -> None:
    assert DECISION.read_text(encoding="utf-8") == table(0.02)
