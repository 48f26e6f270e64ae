"""Area attention (YOLO12's AAttn), arranged so that q, k, v and out are views.

With a channels_last qkv convolution the (B, 3C, H, W) output already is token-major: permuted to (B, H, W, 3C) and
viewed as (B*areas, n, heads, 3, d) it yields q, k, v with unit last stride and no copy. Only v is gathered once, for
the positional convolution. For an NCHW input the cheap place to change the layout is before the qkv convolution
(C channels instead of 3C), and after the projection. A naive port that keeps NCHW hands the fused kernels a head_dim
stride of H*W at P5: they refuse, SDPA takes its math path, and the module gets slower than stock.

Source of the mathematics: ultralytics/nn/modules/block.py, class AAttn (8.4.190).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sdpa_exp.attention.backend import BackendFunction
from sdpa_exp.injection.exporting import copied_for_export


def area_attention(module: Any, x_BCHW: Tensor, backend: BackendFunction) -> Tensor:
    """AAttn.forward with `backend` for its attention product.

    Args:
        module: an AAttn: qkv, proj and pe convolutions, num_heads, head_dim, area.
        x_BCHW: (B, C, H, W) in either memory format; the output has the same shape and memory format.
        backend: the attention product.
    """
    batch, channels, height, width = x_BCHW.shape
    heads, head_dim, areas = module.num_heads, module.head_dim, module.area
    is_nchw = not x_BCHW.is_contiguous(memory_format=torch.channels_last)
    if is_nchw:
        x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)

    qkv_BHWC = copied_for_export(module.qkv(x_BCHW).permute(0, 2, 3, 1)).contiguous()  # a view, unless it came NCHW
    qkv = qkv_BHWC.view(batch * areas, height * width // areas, heads, 3, head_dim)
    q, k, v = (part.transpose(1, 2) for part in qkv.unbind(3))
    out_BHND = backend(q, k, v, head_dim**-0.5)

    out = copied_for_export(out_BHND.transpose(1, 2)).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
    v_BCHW = v.transpose(1, 2).reshape(batch, height, width, channels).permute(0, 3, 1, 2)
    projected: Tensor = module.proj(out + module.pe(v_BCHW))
    return projected.contiguous() if is_nchw else projected
