"""What a precision explains: more in a lower one, about what real computations err by, and nothing for exact ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.calibrate_verify import Setting, calibrate
from sdpa_exp.evidence.error_model import Rounding

A = torch.randn(64, 400, generator=torch.Generator().manual_seed(0))
U = {torch.float32: 2.0**-24, torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}


def error(x: Tensor, y: Tensor) -> float:
    return float((x.double() - y).square().mean().sqrt())


@pytest.mark.parametrize("dtype", U, ids=str)
def test_an_elementwise_operation_errs_by_one_rounding_of_its_precision(dtype: torch.dtype) -> None:
    x = A.double()
    with Rounding(dtype, seed=0):
        got = x * 3
    assert error(got, x * 3) == pytest.approx(U[dtype] * float((x * 3).square().mean().sqrt()), rel=0.01)


def test_a_sum_errs_by_the_root_of_its_length_and_more_than_this_machines_own() -> None:
    x = A.double()
    with Rounding(torch.float32, seed=0):
        got = x @ x.T
    explained, real = error(got, x @ x.T), error(A @ A.T, x @ x.T)
    assert real < explained < 30 * real
    assert explained == pytest.approx(U[torch.float32] * 400, rel=0.5)  # sqrt(n) u sqrt(n) for terms of size 1


def test_moving_numbers_errs_by_nothing() -> None:
    x = A.double()
    with Rounding(torch.bfloat16, seed=0):
        assert torch.equal(x.T.contiguous().clone()[3:], x.T[3:])


def test_softmax_of_large_numbers_is_explained_as_fused_kernels_compute_it() -> None:
    """exp(x - logsumexp(x)) loses what a division keeps: the honest error of flash on trained weights."""
    x = torch.full((4, 10), -200.0, dtype=torch.float64)
    x[:, 0] = 200.0
    with Rounding(torch.float32, seed=0):
        got = torch.softmax(x, dim=-1)
    assert 1e-6 < float((got[:, 0] - 1).abs().max()) < 1e-4


def test_no_honest_case_is_called_wrong_and_no_planted_one_passes() -> None:
    """The quick form of benchmarks/calibrate_verify.py."""
    settings = (
        Setting(model="vit", images=3, px=0, formats=("NCHW",)),
        Setting(model="yolo12n.yaml", images=2, px=64, precisions=("fp32", "bf16")),
    )
    honest: list[dict[str, Any]] = []
    planted: list[dict[str, Any]] = []
    for setting in settings:
        for row in calibrate(setting):
            (planted if row["is_planted"] else honest).append(row)
    assert [row for row in honest if not row["ok"]] == []
    passed = [row for row in planted if row["ok"]]
    assert [row for row in passed if not row["blind_parts"]] == []
    assert len(passed) < len(planted) / 20, "a blind part is an exception"
    assert len(honest) > 50
    assert len(planted) >= 24
