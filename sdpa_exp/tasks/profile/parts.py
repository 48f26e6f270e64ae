"""The parts that a training step is split into, and which part an operation belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Key = Literal[
    "product",
    "attention_rest",
    "projection",
    "conv",
    "norm_activation",
    "other_layers",
    "loss",
    "optimiser",
    "data",
    "transfer",
    "other",
    "idle",
]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part: what it is called in tables, and what is in it."""

    key: Key
    title: str
    meaning: str


PARTS: tuple[Part, ...] = (
    Part(key="product", title="attention product", meaning="softmax(QK^T)V at all layers, its inner copies included"),
    Part(
        key="attention_rest",
        title="attention, rest",
        meaning="what else runs inside attention modules: copies for another layout, splits, the positional sum",
    ),
    Part(
        key="projection",
        title="attention projections",
        meaning="the modules that make q, k, v and the output, and the positional convolution, norms included",
    ),
    Part(key="conv", title="other convolutions", meaning="convolutions and linear layers outside attention modules"),
    Part(key="norm_activation", title="norms, activations", meaning="batch norms, SiLU and the like outside attention"),
    Part(
        key="other_layers",
        title="other layers",
        meaning="concatenation, upsampling, pooling, sums; attention that is no layer, as in RT-DETR's decoder",
    ),
    Part(key="loss", title="loss", meaning="Ultralytics' criterion with its Python, target assignment included"),
    Part(
        key="optimiser",
        title="optimiser",
        meaning="unscaling, gradient clipping, the update, zero_grad, and the EMA of the weights",
    ),
    Part(
        key="data",
        title="data loading",
        meaning="waiting for the next batch; on a CPU that is loading itself, on CUDA only what leaves the device idle",
    ),
    Part(key="transfer", title="transfer", meaning="the batch to the device, and to floats from 0 to 1"),
    Part(
        key="other",
        title="other",
        meaning="Python between operations, gradient bookkeeping, the loop's progress line; on CUDA kernels of these",
    ),
    Part(key="idle", title="device idle", meaning="CUDA only: no kernel runs, and the loop is not waiting for data"),
)

HAVE_BACKWARD: frozenset[Key] = frozenset(
    {"product", "attention_rest", "projection", "conv", "norm_activation", "other_layers", "loss"}
)
"""Parts with a forward and a backward; `other` has a little of both, and is shown in one piece."""

FORWARD, LOSS, OPTIMISER, DATA, TRANSFER = "forward", "loss", "optimiser", "data", "transfer"
BACKEND, PROJECTION, OUTSIDE = "backend", "projection", "outside"
PART_LABEL = "sdpa_exp.part/"
"""Opens the name of a range; one of the seven words above follows."""
STEP_LABEL = "sdpa_exp.step"

WHOLE_RANGES: dict[str, Key] = {LOSS: "loss", OPTIMISER: "optimiser", DATA: "data", TRANSFER: "transfer"}
"""Ranges that belong to one part with everything in them."""

PROJECTION_MODULES = frozenset({"qkv", "proj", "pe"})
"""Children of attention modules that are projections; an nn.MultiheadAttention has them as plain operations."""

_CONVS = frozenset({"aten::conv1d", "aten::conv2d", "aten::conv3d", "aten::conv_transpose2d", "aten::linear"})
_NORMS_ACTIVATIONS = frozenset(
    f"aten::{name}{suffix}"
    for name in ("batch_norm", "layer_norm", "group_norm", "silu", "relu", "gelu", "sigmoid", "hardswish", "leaky_relu")
    for suffix in ("", "_")
)
# What stock forwards are written with. Their copies inside matmul are the product's; those outside are not.
_STOCK_PRODUCT = frozenset(
    f"aten::{name}"
    for name in ("matmul", "bmm", "baddbmm", "mul", "div", "softmax", "dropout", "scaled_dot_product_attention")
)


def part_of_layer(op: str) -> Key:
    """The part of an operation of the network outside attention modules."""
    if op in _CONVS:
        return "conv"
    return "norm_activation" if op in _NORMS_ACTIVATIONS else "other_layers"


def part_in_layer(op: str, *, is_stock: bool) -> Key:
    """The part of an operation inside an attention module, outside its backend and its children.

    Args:
        op: the outermost operation, such as aten::matmul.
        is_stock: the module's own forward runs, in which nothing marks the product but its operations.
    """
    if op == "aten::linear":
        return "projection"
    return "product" if is_stock and op in _STOCK_PRODUCT else "attention_rest"
