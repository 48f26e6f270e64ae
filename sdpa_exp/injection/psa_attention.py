"""The `Attention` of PSA blocks (YOLO10, YOLO11, YOLO26), arranged so that q, k and v are views.

As in area_attention.py the qkv convolution is kept channels_last, so that its output is token-major. q and k have half
of v's head_dim: backends that need one head_dim pad (attention/padding.py), with the scale of the unpadded q and k.

Source of the mathematics: ultralytics/nn/modules/block.py, class Attention (8.4.190).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sdpa_exp.attention.backend import BackendFunction
from sdpa_exp.injection.exporting import copied_for_export


def psa_attention(module: Any, x_BCHW: Tensor, backend: BackendFunction) -> Tensor:
    """Attention.forward with `backend` for its attention product.

    Args:
        module: an Attention: qkv, proj and pe convolutions, num_heads, key_dim, head_dim, scale.
        x_BCHW: (B, C, H, W) in either memory format; the output has the same shape and memory format.
        backend: the attention product.
    """
    batch, channels, height, width = x_BCHW.shape
    heads, key_dim, head_dim = module.num_heads, module.key_dim, module.head_dim
    is_nchw = not x_BCHW.is_contiguous(memory_format=torch.channels_last)
    if is_nchw:
        x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)

    qkv_BHWC = copied_for_export(module.qkv(x_BCHW).permute(0, 2, 3, 1)).contiguous()  # a view, unless it came NCHW
    qkv = qkv_BHWC.view(batch, height * width, heads, 2 * key_dim + head_dim)
    q, k, v = (part.transpose(1, 2) for part in qkv.split([key_dim, key_dim, head_dim], dim=3))
    out_BHND = backend(q, k, v, module.scale)

    out = copied_for_export(out_BHND.transpose(1, 2)).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
    v_BCHW = v.transpose(1, 2).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
    projected: Tensor = module.proj(out + module.pe(v_BCHW))
    return projected.contiguous() if is_nchw else projected
