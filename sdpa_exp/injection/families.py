"""The families of attention modules: how each is recognised, described and computed.

A new family is one file with a forward, and an entry here. What no entry matches is no layer. RT-DETR's decoder is one
such: its self-attention takes a mask while training, and its cross-attention samples instead of computing a product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from sdpa_exp.attention.backend import FUSED_OR_MATH, Kernel
from sdpa_exp.injection.area_attention import area_attention
from sdpa_exp.injection.dispatch import LayerForward
from sdpa_exp.injection.multihead import aifi, encoder_block
from sdpa_exp.injection.psa_attention import psa_attention
from sdpa_exp.injection.vit_attention import is_vit_attention, vit_attention


@dataclass(frozen=True, kw_only=True)
class Family:
    """How one kind of attention module is recognised, described and computed.

    Attributes:
        recognises: whether a module is of this kind; by class path, so that no library is imported to find out.
        head_dims: (num_heads, head_dim of q and k, head_dim of v) of an instance.
        forward: its computation around a backend.
        dropout: the probability with which an instance drops attention weights, which no backend does.
        example: a model that has it.
        is_proved: recognised by its looks, so compared with the instance's own forward when it is injected.
        stock_kernels: what the class's own forward may run; some call SDPA already.
    """

    name: str
    recognises: Callable[[nn.Module], bool]
    head_dims: Callable[[Any], tuple[int, int, int]]
    forward: LayerForward
    example: str
    dropout: Callable[[Any], float] = lambda module: 0.0
    is_proved: bool = False
    stock_kernels: frozenset[Kernel] = frozenset({"softmax"})


def _is(*class_paths: str) -> Callable[[nn.Module], bool]:
    return lambda module: f"{type(module).__module__}.{type(module).__qualname__}" in class_paths


def _multihead_dims(attention: nn.MultiheadAttention) -> tuple[int, int, int]:
    return attention.num_heads, attention.head_dim, attention.head_dim


FAMILIES: tuple[Family, ...] = (
    Family(
        name="area attention",
        recognises=_is("ultralytics.nn.modules.block.AAttn"),
        head_dims=lambda module: (module.num_heads, module.head_dim, module.head_dim),
        forward=area_attention,
        example="yolo12n",
    ),
    Family(
        name="PSA attention",
        recognises=_is("ultralytics.nn.modules.block.Attention"),
        head_dims=lambda module: (module.num_heads, module.key_dim, module.head_dim),
        forward=psa_attention,
        example="yolo11n",
    ),
    Family(
        name="AIFI",
        recognises=_is("ultralytics.nn.modules.transformer.AIFI"),
        head_dims=lambda module: _multihead_dims(module.ma),
        forward=aifi,
        example="rtdetr_l",
        dropout=lambda module: float(module.ma.dropout),
    ),
    Family(
        name="torchvision encoder block",
        recognises=_is("torchvision.models.vision_transformer.EncoderBlock"),
        head_dims=lambda module: _multihead_dims(module.self_attention),
        forward=encoder_block,
        example="torchvision's vit_b_16",
        dropout=lambda module: float(module.self_attention.dropout),
        stock_kernels=FUSED_OR_MATH | {"softmax"},
    ),
    Family(
        name="ViT attention",
        recognises=is_vit_attention,
        head_dims=lambda module: (module.num_heads, *(2 * (module.proj.in_features // module.num_heads,))),
        forward=vit_attention,
        example="a network of your own with sdpa_exp.Attention",
        dropout=lambda module: float(getattr(getattr(module, "attn_drop", None), "p", 0.0)),
        is_proved=True,
        stock_kernels=FUSED_OR_MATH | {"softmax"},
    ),
)
