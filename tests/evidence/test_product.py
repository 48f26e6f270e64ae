"""The product by itself, with scores as trained weights make them: what each precision and kind of kernel explains."""

from __future__ import annotations

import pytest
import torch

import tests.evidence.faults
from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.registry import get_backend
from sdpa_exp.evidence.layer_run import Values
from sdpa_exp.evidence.product import PRODUCT_PARTS, Computations, compare_product
from sdpa_exp.evidence.rule import MAX_RATIO
from tests.evidence.faults import FUSED_FAULTS

HALVES = (torch.bfloat16, torch.float16)
_Q, _K, _V = (8 * torch.randn(4, 2, 100, 32, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1, 2))
PEAKED = (_Q, _K, _V)
"""Scores of up to 1,500 before the scale, as trained YOLO12 makes them: one key has almost all the weight."""


def ratios(got: Values, explained: Values, truth: Values) -> dict[str, float]:
    """Largest error by part, in units of what is explained there."""
    return {
        part: float((got[part][0] - truth[part][0]).abs().max() / (explained[part][0] - truth[part][0]).abs().max())
        for part in PRODUCT_PARTS
    }


def compared(backend: Backend, dtype: torch.dtype) -> Computations:
    return compare_product(backend, PEAKED, 32**-0.5, dtype)


def ratios_of(backend: Backend, dtype: torch.dtype) -> dict[str, float]:
    found = compared(backend, dtype)
    return ratios(found.tested, found.explained, found.truth)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", ["eager", "sdpa", "flash", "math"])
def test_honest_kernels_stay_near_what_is_explained_and_not_far_below(name: str, dtype: torch.dtype) -> None:
    found = ratios_of(get_backend(name), dtype)
    assert max(found.values()) < MAX_RATIO / 2
    assert min(found.values()) > 0.01, "an allowance of a hundred errors would pass anything"


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("fault", FUSED_FAULTS)
def test_a_fault_in_a_fused_kernel_does_not_hide_in_a_half_precision(fault: str, dtype: torch.dtype) -> None:
    """flash runs in half precisions only on CUDA, so there is no fp32 to find it in."""
    found = ratios_of(getattr(tests.evidence.faults, fault), dtype)
    assert not all(ratio <= MAX_RATIO for ratio in found.values())


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_a_fused_kernel_is_allowed_less_than_explicit_attention_with_its_written_scores(dtype: torch.dtype) -> None:
    flash = compared(get_backend("flash"), dtype)
    less = ratios(flash.explained, flash.plain_explained, flash.truth)
    assert less["product"] < 0.5
    plain = ratios(flash.plain["as given"], flash.plain_explained, flash.truth)
    assert max(plain.values()) < MAX_RATIO, "explicit attention is not called wrong for what it has to round"
    assert ratios(flash.plain["as given"], flash.explained, flash.truth)["product"] > 1
