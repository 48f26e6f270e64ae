"""Self-attention through an `nn.MultiheadAttention`: RT-DETR's AIFI and torchvision's ViT blocks.

AIFI calls the module with need_weights=True and throws the weights away: that takes explicit matmuls and a softmax
instead of SDPA while training, and torch's fused encoder path in evaluation. Neither block passes a mask.

Sources of the mathematics: ultralytics/nn/modules/transformer.py, AIFI and TransformerEncoderLayer (8.4.190);
torchvision/models/vision_transformer.py, EncoderBlock (0.29); torch/nn/functional.py, multi_head_attention_forward.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from sdpa_exp.attention.backend import BackendFunction


def self_attention(attention: nn.MultiheadAttention, qk_BNC: Tensor, v_BNC: Tensor, backend: BackendFunction) -> Tensor:
    """The module's output (B, N, C) for queries and keys from one tensor and values from another, or the same."""
    batch, tokens, channels = v_BNC.shape
    heads, head_dim = attention.num_heads, attention.head_dim
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    if qk_BNC is v_BNC:
        q, k, v = F.linear(v_BNC, weight, bias).view(batch, tokens, 3, heads, head_dim).unbind(2)
    else:
        bias_qk, bias_v = (None, None) if bias is None else bias.split([2 * channels, channels])
        weight_qk, weight_v = weight.split([2 * channels, channels])
        q, k = F.linear(qk_BNC, weight_qk, bias_qk).view(batch, tokens, 2, heads, head_dim).unbind(2)
        v = F.linear(v_BNC, weight_v, bias_v).view(batch, tokens, heads, head_dim)
    out_BHND = backend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), head_dim**-0.5)
    projected: Tensor = attention.out_proj(out_BHND.transpose(1, 2).reshape(batch, tokens, channels))
    return projected


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
    tokens_BNC = tokens_BNC + module.dropout1(self_attention(module.ma, normed + position, normed, backend))
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
    x_BNC = x_BNC + module.dropout(self_attention(module.self_attention, normed, normed, backend))
    out_BNC: Tensor = x_BNC + module.mlp(module.ln_2(x_BNC))
    return out_BNC
