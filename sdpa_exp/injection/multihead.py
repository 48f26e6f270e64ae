"""Attention through an `nn.MultiheadAttention`: bare, in PyTorch's encoder layer, RT-DETR's AIFI, torchvision's ViTs.

AIFI calls the module with need_weights=True and throws the weights away: that takes explicit matmuls and a softmax
instead of SDPA while training, and torch's fused encoder path in evaluation. A module that holds one and computes with
its weights itself, past its forward, as PyTorch's encoder layer does in evaluation, has a forward of its own here.

Sources of the mathematics: ultralytics/nn/modules/transformer.py, AIFI and TransformerLayer (8.4.190);
torchvision/models/vision_transformer.py, EncoderBlock (0.29); torch/nn/functional.py, multi_head_attention_forward;
torch/nn/modules/transformer.py, TransformerEncoderLayer.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from sdpa_exp.attention.backend import BackendFunction
from sdpa_exp.errors import InjectionError


def is_plain_multihead(module: nn.MultiheadAttention) -> bool:
    """Whether its keys and values are projections of what it is given, all as wide as the queries, and no more."""
    has_more_keys = module.bias_k is not None or module.bias_v is not None or module.add_zero_attn
    return module._qkv_same_embed_dim and not has_more_keys


def multihead_attention(
    attention: nn.MultiheadAttention, q_BNC: Tensor, k_BNC: Tensor, v_BNC: Tensor, backend: BackendFunction
) -> Tensor:
    """The module's output (B, N, C); inputs that are one tensor are projected together."""
    weight, bias, channels = attention.in_proj_weight, attention.in_proj_bias, attention.embed_dim

    def project(x_BNC: Tensor, first: int, num: int) -> list[Tensor]:
        rows = slice(first * channels, (first + num) * channels)
        out = F.linear(x_BNC, weight[rows], None if bias is None else bias[rows])
        return [*out.unflatten(-1, (num, attention.num_heads, attention.head_dim)).transpose(1, 3).unbind(2)]

    if q_BNC is k_BNC:
        q, k, *rest = project(q_BNC, 0, 3 if k_BNC is v_BNC else 2)
        v = rest[0] if rest else project(v_BNC, 2, 1)[0]
    else:
        [q] = project(q_BNC, 0, 1)
        k, v = project(k_BNC, 1, 2) if k_BNC is v_BNC else project(k_BNC, 1, 1) + project(v_BNC, 2, 1)
    out_BHND = backend(q, k, v, attention.head_dim**-0.5)
    projected: Tensor = attention.out_proj(out_BHND.transpose(1, 2).flatten(2))
    return projected


def multihead(
    module: nn.MultiheadAttention,
    query: Tensor,
    backend: BackendFunction,
    *,
    key: Tensor,
    value: Tensor,
    need_weights: bool = True,
    average_attn_weights: bool = True,
) -> tuple[Tensor, None]:
    """MultiheadAttention.forward with `backend` for its attention product; no weights come back.

    Raises:
        InjectionError: it was asked for the weights, or called with one sequence that is no batch.
    """
    if need_weights:
        raise InjectionError(
            "MultiheadAttention was asked for its attention weights (need_weights, which PyTorch sets by default), "
            "and no backend makes them: expected need_weights=False, which gives the same output. Call it so, or use "
            "attention=stock for this model."
        )
    if query.ndim != 3:
        raise InjectionError(
            f"MultiheadAttention was called with {query.ndim} dimensions: expected 3, a batch of sequences. "
            "Give it a batch of one, or use attention=stock for this model."
        )
    if module.batch_first:
        return multihead_attention(module, query, key, value, backend), None
    q_BNC = query.transpose(0, 1)
    k_BNC = q_BNC if key is query else key.transpose(0, 1)
    v_BNC = k_BNC if value is key else value.transpose(0, 1)
    return multihead_attention(module, q_BNC, k_BNC, v_BNC, backend).transpose(0, 1), None


def encoder_layer(module: nn.TransformerEncoderLayer, x: Tensor, backend: BackendFunction) -> Tensor:
    """PyTorch's TransformerEncoderLayer.forward, without its fast path, with `backend` for its attention product."""

    def attend(x: Tensor) -> Tensor:
        return module.dropout1(multihead(module.self_attn, x, backend, key=x, value=x, need_weights=False)[0])  # type: ignore[no-any-return]

    def feed_forward(x: Tensor) -> Tensor:
        return module.dropout2(module.linear2(module.dropout(module.activation(module.linear1(x)))))  # type: ignore[no-any-return]

    if module.norm_first:
        x = x + attend(module.norm1(x))
        return x + feed_forward(module.norm2(x))
    x = module.norm1(x + attend(x))
    return module.norm2(x + feed_forward(x))  # type: ignore[no-any-return]


def transformer_layer(module: Any, x_NBC: Tensor, backend: BackendFunction) -> Tensor:
    """Ultralytics' TransformerLayer.forward, of C3TR, with `backend` for its attention product."""
    q_BNC, k_BNC, v_BNC = (part(x_NBC).transpose(0, 1) for part in (module.q, module.k, module.v))
    x_NBC = multihead_attention(module.ma, q_BNC, k_BNC, v_BNC, backend).transpose(0, 1) + x_NBC
    return module.fc2(module.fc1(x_NBC)) + x_NBC  # type: ignore[no-any-return]


def aifi(module: Any, x_BCHW: Tensor, backend: BackendFunction) -> Tensor:
    """AIFI.forward with `backend` for its attention product; the output keeps the memory format of the input.

    Args:
        module: an AIFI: ma, norm1, norm2, fc1, fc2, dropouts, act, normalize_before.
        x_BCHW: (B, C, H, W).
        backend: the attention product.
    """
    batch, channels, height, width = x_BCHW.shape
    position = module.build_2d_sincos_position_embedding(width, height, channels, like=x_BCHW).to(x_BCHW.dtype)
    tokens_BNC = x_BCHW.flatten(2).transpose(1, 2)
    is_pre = module.normalize_before

    normed = module.norm1(tokens_BNC) if is_pre else tokens_BNC
    placed = normed + position
    tokens_BNC = tokens_BNC + module.dropout1(multihead_attention(module.ma, placed, placed, normed, backend))
    if not is_pre:
        tokens_BNC = module.norm1(tokens_BNC)
    normed = module.norm2(tokens_BNC) if is_pre else tokens_BNC
    tokens_BNC = tokens_BNC + module.dropout2(module.fc2(module.dropout(module.act(module.fc1(normed)))))
    if not is_pre:
        tokens_BNC = module.norm2(tokens_BNC)

    out_BCHW: Tensor = tokens_BNC.transpose(1, 2).reshape(batch, channels, height, width)
    return out_BCHW.contiguous() if x_BCHW.is_contiguous() else out_BCHW


def encoder_block(module: Any, x_BNC: Tensor, backend: BackendFunction) -> Tensor:
    """EncoderBlock.forward of torchvision's ViT with `backend` for its attention product; (B, N, C) in and out."""
    normed = module.ln_1(x_BNC)
    x_BNC = x_BNC + module.dropout(multihead_attention(module.self_attention, normed, normed, normed, backend))
    out_BNC: Tensor = x_BNC + module.mlp(module.ln_2(x_BNC))
    return out_BNC
