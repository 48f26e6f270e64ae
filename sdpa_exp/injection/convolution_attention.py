"""Attention on feature maps, whose q, k and v are made by a convolution: YOLO12's areas, and PSA of YOLO10, 11 and 26.

It is arranged so that q, k, v and out are views. With a channels_last qkv convolution the (B, C, H, W) output already
is token-major: permuted to (B, H, W, C) and viewed as (B*areas, n, heads, d) it yields q, k, v with unit last stride
and no copy. Only v is gathered once, for the positional convolution. For an NCHW input the cheap place to change the
layout is before the qkv convolution (of the module's channels, instead of those of q, k and v), and after the
projection. A naive port that keeps NCHW hands the fused kernels a head_dim stride of H*W at P5: they refuse, SDPA takes
its math path, and the module gets slower than stock.

Source of the mathematics: ultralytics/nn/modules/block.py, classes AAttn and Attention (8.4.190).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sdpa_exp.attention.backend import BackendFunction


def area_attention(module: Any, x_BCHW: Tensor, backend: BackendFunction) -> Tensor:
    """AAttn.forward with `backend` for its attention product.

    Args:
        module: an AAttn: qkv, proj and pe convolutions, num_heads, head_dim, area.
        x_BCHW: (B, C, H, W) in either memory format; the output has the same shape and memory format.
        backend: the attention product.
    """
    head_dim = module.head_dim
    return _attend(module, x_BCHW, backend, dims=[head_dim] * 3, areas=module.area, scale=head_dim**-0.5)


def psa_attention(module: Any, x_BCHW: Tensor, backend: BackendFunction) -> Tensor:
    """Attention.forward of PSA blocks with `backend` for its attention product; else as `area_attention`.

    q and k have half of v's head_dim: backends that need one head_dim pad (attention/padding.py), with the scale of the
    unpadded q and k, which is the module's.
    """
    dims = [module.key_dim, module.key_dim, module.head_dim]
    return _attend(module, x_BCHW, backend, dims=dims, areas=1, scale=module.scale)


def _attend(
    module: Any, x_BCHW: Tensor, backend: BackendFunction, *, dims: list[int], areas: int, scale: float
) -> Tensor:
    """The module's computation; `dims` are the head_dims of q, k and v."""
    batch, channels, height, width = x_BCHW.shape
    is_nchw = not x_BCHW.is_contiguous(memory_format=torch.channels_last)
    if is_nchw:
        x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)

    qkv_BHWC = _copied_for_export(module.qkv(x_BCHW).permute(0, 2, 3, 1)).contiguous()  # a view, unless it came NCHW
    qkv = qkv_BHWC.view(batch * areas, height * width // areas, module.num_heads, sum(dims))
    q, k, v = (part.transpose(1, 2) for part in qkv.split(dims, dim=3))
    out_BHND = backend(q, k, v, scale)

    out = _copied_for_export(out_BHND.transpose(1, 2)).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
    v_BCHW = v.transpose(1, 2).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
    projected: Tensor = module.proj(out + module.pe(v_BCHW))
    return projected.contiguous() if is_nchw else projected


def _copied_for_export(x: Tensor) -> Tensor:
    """The tensor; while torch.export traces the model a contiguous copy of it, whose views hold in any layout.

    Another runtime lays tensors out in its own way: ExecuTorch 1.5.1, for one, has SDPA's output token by token, batch
    by batch, where PyTorch has it batch by batch.
    """
    return x.clone(memory_format=torch.contiguous_format) if torch.compiler.is_exporting() else x
