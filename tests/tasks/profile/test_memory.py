"""Saved activations at one layer against figures known from before, and peaks against sums done by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from ultralytics.nn.modules.block import AAttn

from sdpa_exp.errors import RunError
from sdpa_exp.injection.inject import inject
from sdpa_exp.injection.layers import find_layers
from sdpa_exp.measure.tensor_peak import CpuPeaks
from sdpa_exp.tasks.profile.saved import SavedTensors, storage_bytes
from sdpa_exp.tasks.training import memory_errors
from tests.tasks.planning import plan_of

_MIB = 2**20


@pytest.mark.parametrize(("backend", "known_mib"), [("stock", 74), ("sdpa", 38)])
def test_a_p4_layer_of_yolo12n_saves_what_it_was_known_to_save(backend: str, known_mib: float) -> None:
    """Batch 8, fp32, 640 px; the known figures were counted with other code, and are whole MiB."""
    network = nn.Sequential(AAttn(64, num_heads=2, area=4)).train()
    inject(network, backend)
    saved = SavedTensors(
        find_layers(network), not_counted=[*network.parameters(), *network.buffers()], device=torch.device("cpu")
    )
    with saved.watching():
        network(torch.randn(8, 64, 40, 40, requires_grad=True)).sum()
    assert saved.attention / _MIB == pytest.approx(known_mib, abs=1)
    assert saved.total == saved.attention
    weights_mib = 8 * 4 * 2 * 400 * 400 * 4 / _MIB  # batch x areas x heads x N x N
    assert (saved.bytes_by_layer["0"]["rest"] / _MIB > weights_mib) == (backend == "stock")


def test_views_of_one_storage_and_weights_are_not_counted_again() -> None:
    weight = torch.randn(100, 100, requires_grad=True)
    x = torch.randn(50, 100, requires_grad=True)
    saved = SavedTensors([], not_counted=[weight], device=torch.device("cpu"))
    with saved.watching():
        ((x @ weight) * x.view(50, 100)).sum()
    products = storage_bytes([x]) * 2  # x, and x @ weight for the gradient of x
    assert saved.total == products
    assert saved.attention == 0


def test_the_peak_on_a_cpu_is_the_running_sum_of_allocations_and_knows_its_phase() -> None:
    peaks = CpuPeaks()
    peaks.start(held=1000)
    kept = torch.empty(2 * _MIB, dtype=torch.uint8)
    peaks.enter("backward")
    passing = torch.empty(5 * _MIB, dtype=torch.uint8)
    del passing
    peaks.enter("optimiser")
    last = torch.empty(_MIB, dtype=torch.uint8)
    peak = peaks.stop()
    assert peak.allocated == 1000 + 7 * _MIB
    assert peak.phase == "backward"
    assert peak.reserved is None
    assert kept.numel() > last.numel()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
    ],
)
def test_a_step_that_runs_out_of_memory_says_what_to_do(error: Exception, tmp_path: Path) -> None:
    plan = plan_of("task=profile", "hardware=cpu", "hardware.batch=64", run_dir=tmp_path)
    words = r"ran out of memory on cpu: batch 64 at 160 px does not fit \(.*\)\. Set hardware\.batch=32"
    with pytest.raises(RunError, match=words), memory_errors(plan):
        raise error


def test_other_errors_of_torch_stay_what_they_are(tmp_path: Path) -> None:
    plan = plan_of("task=profile", "hardware=cpu", run_dir=tmp_path)
    with pytest.raises(RuntimeError, match="shapes"), memory_errors(plan):
        raise RuntimeError("shapes do not match")
