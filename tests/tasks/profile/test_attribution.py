"""Attribution of events made by hand, for what no machine here can show: kernels on a device, and its idle time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sdpa_exp.evidence.labels import LAYER_LABEL
from sdpa_exp.tasks.profile import parts
from sdpa_exp.tasks.profile.attribution import attribute, intersection, length, union

_LAYER = "model.6.attn"
_BACKWARD = "autograd::engine::evaluate_function: "


def event(
    name: str, start: float, end: float, *inside: Any, kernel_us: float = 0.0, number: int = -1, device: str = "CPU"
) -> Any:
    made = SimpleNamespace(
        name=name,
        time_range=SimpleNamespace(start=start, end=end, elapsed_us=lambda: end - start),
        cpu_children=list(inside),
        cpu_parent=None,
        kernels=[SimpleNamespace(name="kernel", duration=kernel_us)] if kernel_us else [],
        sequence_nr=number,
        device_type=SimpleNamespace(name=device),
        is_async=False,
        is_user_annotation=False,
    )
    for child in inside:
        child.cpu_parent = made
    return made


def label(word: str, start: float, end: float, *inside: Any) -> Any:
    return event(parts.PART_LABEL + word, start, end, *inside)


def flatten(root: Any) -> list[Any]:
    return [root, *(found for child in root.cpu_children for found in flatten(child))]


def cuda_step() -> list[Any]:
    """A step of 1000 us: 100 us of waiting, then work whose kernels run from 150 to 900; backward on another thread."""
    layer = event(
        LAYER_LABEL + _LAYER,
        210,
        300,
        label(parts.PROJECTION, 210, 230, event("aten::conv2d", 211, 229, kernel_us=40, number=1)),
        label(parts.BACKEND, 230, 260, event("aten::scaled_dot_product_attention", 231, 259, kernel_us=100, number=2)),
        event("aten::clone", 265, 280, event("aten::copy_", 266, 279, kernel_us=10), number=3),
    )
    step = event(
        parts.STEP_LABEL,
        0,
        1000,
        label(parts.DATA, 0, 100),
        label(parts.TRANSFER, 100, 150, event("aten::to", 110, 140, kernel_us=20)),
        label(
            parts.FORWARD,
            200,
            400,
            event("aten::detach", 201, 202, number=1),  # shares its number with the next, which makes the node
            layer,
            event("aten::conv2d", 310, 330, kernel_us=200, number=4),
            label(parts.LOSS, 350, 400, event("aten::mul", 360, 370, kernel_us=30, number=5)),
        ),
        label(parts.OPTIMISER, 700, 900, event("aten::_foreach_add_", 710, 720, kernel_us=50)),
    )
    backward = [
        event(_BACKWARD + "MulBackward0", 410, 420, event("MulBackward0", 411, 419, kernel_us=30, number=5)),
        event(_BACKWARD + "ConvBackward0", 430, 440, event("ConvBackward0", 431, 439, kernel_us=120, number=4)),
        event(_BACKWARD + "FlashBackward0", 450, 460, event("FlashBackward0", 451, 459, kernel_us=60, number=2)),
        event(_BACKWARD + "ConvBackward0", 470, 480, event("ConvBackward0", 471, 479, kernel_us=15, number=1)),
        event(_BACKWARD + "torch::autograd::AccumulateGrad", 490, 500, kernel_us=5),
    ]
    kernels = [event("kernel", 150, 500, device="CUDA"), event("kernel", 500, 900, device="CUDA")]
    note = event(parts.STEP_LABEL, 150, 900, device="CUDA")
    return [*flatten(step), *(found for each in backward for found in flatten(each)), *kernels, note]


def test_on_cuda_kernels_go_to_the_part_that_launched_them_and_backward_to_the_part_that_made_it() -> None:
    breakdown = attribute(cuda_step(), stock_layers=frozenset(), expected_layers=[_LAYER], on_cuda=True)
    found = {share.key: (share.forward_s * 1e6, share.backward_s * 1e6) for share in breakdown.shares}
    assert found["product"] == pytest.approx((100, 60))
    assert found["projection"] == pytest.approx((40, 15))
    assert found["attention_rest"] == pytest.approx((10, 0))
    assert found["conv"] == pytest.approx((200, 120))
    assert found["loss"] == pytest.approx((30, 30))
    assert found["optimiser"] == pytest.approx((50, 0))
    assert found["transfer"] == pytest.approx((20, 0))
    assert breakdown.product_by_layer == {_LAYER: pytest.approx((100e-6, 60e-6))}


def test_on_cuda_idle_time_is_the_loaders_while_the_loop_waits_for_it() -> None:
    breakdown = attribute(cuda_step(), stock_layers=frozenset(), expected_layers=[_LAYER], on_cuda=True)
    found = {share.key: share.total_s * 1e6 for share in breakdown.shares}
    assert breakdown.busy_s == pytest.approx(750e-6)
    assert found["data"] == pytest.approx(100)
    assert found["idle"] == pytest.approx(1000 - 750 - 100)
    assert sum(found.values()) == pytest.approx(1000)


def test_on_a_cpu_the_same_events_count_by_their_own_time() -> None:
    events = [e for e in cuda_step() if e.device_type.name == "CPU"]
    breakdown = attribute(events, stock_layers=frozenset(), expected_layers=[_LAYER], on_cuda=False)
    found = {share.key: (share.forward_s * 1e6, share.backward_s * 1e6) for share in breakdown.shares}
    assert found["product"] == pytest.approx((28, 10))
    assert found["data"] == pytest.approx((100, 0))
    assert found["loss"] == pytest.approx((50, 10))
    assert sum(sum(pair) for pair in found.values()) == pytest.approx(1000)


@pytest.mark.parametrize(
    ("op", "is_stock", "part"),
    [
        ("aten::matmul", True, "product"),
        ("aten::softmax", True, "product"),
        ("aten::contiguous", True, "attention_rest"),
        ("aten::matmul", False, "attention_rest"),  # a core's own matmuls carry its label
        ("aten::linear", True, "projection"),
    ],
)
def test_inside_a_layer_an_operation_belongs_to_a_part_by_its_name(op: str, is_stock: bool, part: str) -> None:
    assert parts.part_in_layer(op, is_stock=is_stock) == part


def test_intervals_are_united_and_intersected() -> None:
    some = union([(5.0, 7.0), (0.0, 2.0), (1.0, 3.0)])
    assert some == [(0.0, 3.0), (5.0, 7.0)]
    assert intersection(some, [(2.0, 6.0), (6.5, 9.0)]) == [(2.0, 3.0), (5.0, 6.0), (6.5, 7.0)]
    assert length(some) == 5.0
