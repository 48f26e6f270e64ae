"""Faults planted in the truth and in the plain computation are found, named, and excuse nobody."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from ultralytics.nn.modules.block import AAttn

from sdpa_exp import verify
from sdpa_exp.errors import EquivalenceError
from sdpa_exp.evidence.layer_run import LayerCall, run_layer
from sdpa_exp.evidence.reference import DIFFERENCES, Differences, checked_reference

X = torch.randn(2, 32, 8, 8, generator=torch.Generator().manual_seed(0))
CALL = LayerCall(args=(X,), kwargs={})


class _WrongGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return 1.001 * grad


class WrongBackward(nn.BatchNorm2d):
    """A batch norm whose backward is wrong for some inputs."""

    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64)
    formats: tuple[torch.memory_format, ...] = (torch.contiguous_format,)

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        is_wrong = x.dtype in self.dtypes and any(x.is_contiguous(memory_format=each) for each in self.formats)
        return _WrongGradient.apply(out) if is_wrong else out


class WrongBackwardInFp32(WrongBackward):
    """As a kernel of one precision would be."""

    dtypes = (torch.float32,)


class WrongBackwardAlways(WrongBackward):
    """In both memory formats."""

    formats = (torch.contiguous_format, torch.channels_last)


def layer_with(norm: type[nn.BatchNorm2d]) -> AAttn:
    torch.manual_seed(0)
    module = AAttn(32, 2, 4)
    module.qkv.bn = norm(96)
    return module.train()


def test_a_truth_without_a_fault_passes_in_both_formats() -> None:
    reference = checked_reference(layer_with(nn.BatchNorm2d), CALL, torch.float32)
    assert reference.faults == ()


def test_a_fault_in_the_truth_is_named_and_the_truth_replaced() -> None:
    module = layer_with(WrongBackward)
    reference = checked_reference(module, CALL, torch.float32)
    (fault,) = reference.faults
    assert (fault.form, fault.replaced_by) == ("NCHW", "channels_last")
    assert fault.operation == "backward of qkv.bn (WrongBackward)"
    assert fault.error > 100 * DIFFERENCES
    right = copy.deepcopy(layer_with(nn.BatchNorm2d)).double()
    want = run_layer(right, CALL, torch.float32, in_fp64=True)
    for part, tensors in want.items():
        for a, b in zip(tensors, reference.values[part], strict=True):
            assert torch.allclose(a, b, atol=1e-9)


def test_where_no_form_of_the_truth_passes_nothing_is_equivalent() -> None:
    network = nn.Sequential(layer_with(WrongBackwardAlways))
    equivalence = verify(network, X, backend="eager")
    assert not equivalence.ok
    with pytest.raises(EquivalenceError, match=r"no form of stock in fp64 agrees with central differences.*PyTorch"):
        equivalence.raise_if_wrong()
    assert "and no other form of it is" in " ".join(str(equivalence).split())


@pytest.mark.parametrize("norm", [WrongBackward, WrongBackwardInFp32])
def test_a_fault_in_the_plain_computation_is_an_error_of_stock_and_no_licence(norm: type[nn.BatchNorm2d]) -> None:
    network = nn.Sequential(layer_with(norm))
    right = verify(network, X, backend="eager")
    assert right.ok, "eager computes in channels_last, where this norm is right"
    assert {(fault.form, fault.severity) for fault in right.stock_faults} == {("NCHW", "error")}
    fault = right.stock_faults[0]
    assert 1e-4 < fault.error < 1e-2
    assert "Stock is wrong at 0 in fp32, NCHW: its gradients of the" in str(fault)
    assert "Stock is wrong at 1 layers: 0." in " ".join(str(right).split())
    wrong = verify(network, X, backend="tests.evidence.faults:SCALE_OFF_BY_A_THOUSANDTH")
    assert not wrong.ok


def test_stock_itself_fails_where_it_is_wrong() -> None:
    with pytest.raises(EquivalenceError, match="attention=stock doesn't compute"):
        verify(nn.Sequential(layer_with(WrongBackwardInFp32)), X, backend="stock").raise_if_wrong()


def test_pytorchs_own_fault_at_one_image_is_found_wherever_this_pytorch_has_it() -> None:
    module = layer_with(nn.BatchNorm2d)
    call = LayerCall(args=(X[:1],), kwargs={})
    double = copy.deepcopy(module).double()
    has_it = Differences(double, call, torch.float32).error(run_layer(double, call, torch.float32, in_fp64=True)) > 0.1
    equivalence = verify(nn.Sequential(module), X[:1], backend="flash")
    assert equivalence.ok
    assert bool(equivalence.stock_faults) == has_it
    fixed = verify(nn.Sequential(module), X[:1], backend="stock_fixed")
    assert fixed.ok
    if has_it:
        assert "backward of qkv.bn (BatchNorm2d)" in str(equivalence.stock_faults[0])
        assert not verify(nn.Sequential(module), X[:1], backend="stock").ok
