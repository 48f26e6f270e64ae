"""An attention of one's own that trains with few images alone: with more it runs out of memory, as CUDA says it."""

from __future__ import annotations

import torch
from torch import Tensor

MOST_IMAGES = 2
NUM_AREAS = 4  # of yolo12's first attention layers, so that each image comes four times


def hungry(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    if q.requires_grad and q.shape[0] > MOST_IMAGES * NUM_AREAS:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale)
