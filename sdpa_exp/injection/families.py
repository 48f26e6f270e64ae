"""The families of attention modules: how each is recognised, described and computed.

A new family is one file with a forward, and an entry here. What no entry matches is no layer; not_replaced.py says why
of those that are known. An entry counts for all that a module holds: what is inside a layer is no layer of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from sdpa_exp.attention.backend import FUSED_OR_MATH, Kernel
from sdpa_exp.injection.convolution_attention import area_attention, psa_attention
from sdpa_exp.injection.dispatch import LayerForward
from sdpa_exp.injection.multihead import (
    aifi,
    encoder_block,
    encoder_layer,
    is_plain_multihead,
    multihead,
    transformer_layer,
)
from sdpa_exp.injection.rotary_attention import rotary_attention, rotary_dims, rotary_proof
from sdpa_exp.injection.vit_attention import is_vit_attention, vit_attention, vit_proof


@dataclass(frozen=True, kw_only=True)
class Family:
    """How one kind of attention module is recognised, described and computed.

    Attributes:
        recognises: whether a module is of this kind; by class path, so that no library is imported to find out.
        head_dims: (num_heads, head_dim of q and k, head_dim of v) of an instance.
        forward: its computation around a backend.
        dropout: the probability with which an instance drops attention weights, which no backend does.
        example: a model that has it.
        proof: shapes of inputs on which an instance is compared with its own forward when it is injected, since its
            looks may deceive, or another version of its library compute something else; None where nothing may.
        stock_kernels: what the class's own forward may run; some call SDPA already.
    """

    name: str
    recognises: Callable[[nn.Module], bool]
    head_dims: Callable[[Any], tuple[int, int, int]]
    forward: LayerForward
    example: str
    dropout: Callable[[Any], float] = lambda module: 0.0
    proof: Callable[[Any], tuple[tuple[int, ...], ...]] | None = None
    stock_kernels: frozenset[Kernel] = frozenset({"softmax"})


def _is(*class_paths: str) -> Callable[[nn.Module], bool]:
    return lambda module: f"{type(module).__module__}.{type(module).__qualname__}" in class_paths


def _is_multihead(module: nn.Module) -> bool:
    return type(module) is nn.MultiheadAttention and is_plain_multihead(module)


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
        name="PyTorch's encoder layer",
        recognises=_is("torch.nn.modules.transformer.TransformerEncoderLayer"),
        head_dims=lambda module: _multihead_dims(module.self_attn),
        forward=encoder_layer,
        example="nn.TransformerEncoder",
        dropout=lambda module: float(module.self_attn.dropout),
        stock_kernels=FUSED_OR_MATH | {"softmax"},
    ),
    Family(
        name="Ultralytics' transformer layer",
        recognises=_is("ultralytics.nn.modules.transformer.TransformerLayer"),
        head_dims=lambda module: _multihead_dims(module.ma),
        forward=transformer_layer,
        example="a model file with C3TR",
        dropout=lambda module: float(module.ma.dropout),
    ),
    Family(
        name="multi-head attention",
        recognises=_is_multihead,
        head_dims=_multihead_dims,
        forward=multihead,
        example="nn.MultiheadAttention, called with need_weights=False",
        dropout=lambda module: float(module.dropout),
        stock_kernels=FUSED_OR_MATH | {"softmax"},
    ),
    Family(
        name="rotary attention",
        recognises=_is("timm.models.eva.EvaAttention", "timm.layers.attention.AttentionRope"),
        head_dims=rotary_dims,
        forward=rotary_attention,
        example="timm's eva02_tiny_patch14_224",
        dropout=lambda module: float(module.attn_drop.p),
        proof=rotary_proof,
        stock_kernels=FUSED_OR_MATH | {"softmax"},
    ),
    Family(
        name="ViT attention",
        recognises=is_vit_attention,
        head_dims=lambda module: (module.num_heads, *(2 * (module.proj.in_features // module.num_heads,))),
        forward=vit_attention,
        example="a network of your own with sdpa_exp.Attention",
        dropout=lambda module: float(getattr(getattr(module, "attn_drop", None), "p", 0.0)),
        proof=vit_proof,
        stock_kernels=FUSED_OR_MATH | {"softmax"},
    ),
)
