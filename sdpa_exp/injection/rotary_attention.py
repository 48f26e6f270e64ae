"""timm's attention with rotated queries and keys (EVA, DINOv3, ...): ViT attention with more choices than plain ones.

Its projections may be one Linear or three, with biases of their own, fewer heads for keys and values than for queries,
norms, and a gate. Where the model has rotary positions it calls the layer with their sines and cosines.

Source of the mathematics: timm/models/eva.py, EvaAttention; timm/layers/attention.py, AttentionRope;
timm/layers/pos_embed_sincos.py, apply_rot_embed (timm 1.0.31).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sdpa_exp.attention.backend import BackendFunction


def rotary_dims(module: Any) -> tuple[int, int, int]:
    """(num_heads, head_dim of q and k, head_dim of v)."""
    return module.num_heads, module.head_dim, module.head_dim


def rotary_proof(module: Any) -> tuple[tuple[int, ...], ...]:
    """Shapes of tokens and of their sines and cosines."""
    first = module.q_proj if module.qkv is None else module.qkv
    return (2, module.num_prefix_tokens + 5, first.in_features), (5, 2 * module.head_dim)


def rotary_attention(module: Any, x_BNC: Tensor, backend: BackendFunction, rope: Tensor | None = None) -> Tensor:
    """The module's forward with `backend` for its attention product; (B, N, C) in and out.

    Args:
        module: an EvaAttention or AttentionRope.
        x_BNC: tokens, those without a position (class, registers) first.
        backend: the attention product.
        rope: sines and cosines (..., N, 2 D) of the tokens with a position; None rotates nothing.
    """
    q, k, v = _projected(module, x_BNC)
    q, k = module.q_norm(q), module.k_norm(k)
    if rope is not None:
        unplaced, by_halves = module.num_prefix_tokens, getattr(module, "rotate_half", False)
        q = _rotated(q, rope, unplaced, by_halves=by_halves).to(v.dtype)
        k = _rotated(k, rope, unplaced, by_halves=by_halves).to(v.dtype)
    if k.shape[1] < q.shape[1]:
        k, v = (part.repeat_interleave(q.shape[1] // k.shape[1], dim=1) for part in (k, v))
    out_BNC = module.norm(backend(q, k, v, module.scale).transpose(1, 2).flatten(2))
    if getattr(module, "gate", None) is not None:
        out_BNC = out_BNC * module.gate(x_BNC).sigmoid()
    return module.proj_drop(module.proj(out_BNC))  # type: ignore[no-any-return]


def _projected(module: Any, x_BNC: Tensor) -> list[Tensor]:
    """q, k and v (B, H, N, D)."""
    if module.qkv is None:
        flat = [part(x_BNC) for part in (module.q_proj, module.k_proj, module.v_proj)]
    else:
        biases = [getattr(module, name, None) for name in ("q_bias", "k_bias", "v_bias")]
        bias = module.qkv.bias if biases[0] is None else torch.cat(biases)  # type: ignore[arg-type]
        flat = [*F.linear(x_BNC, module.qkv.weight, bias).chunk(3, dim=-1)]
    return [part.unflatten(-1, (-1, module.head_dim)).transpose(1, 2) for part in flat]


def _rotated(x_BHND: Tensor, rope: Tensor, unplaced: int, *, by_halves: bool) -> Tensor:
    """Each pair of numbers of a token turned by the angle of its place; pairs are neighbours, or one of each half."""
    sine, cosine = rope.chunk(2, dim=-1)
    first, placed = x_BHND[:, :, :unplaced], x_BHND[:, :, unplaced:]
    a, b = placed.chunk(2, dim=-1) if by_halves else placed.unflatten(-1, (-1, 2)).unbind(-1)
    quarter = torch.cat([-b, a], dim=-1) if by_halves else torch.stack([-b, a], dim=-1).flatten(-2)
    return torch.cat([first, (placed * cosine + quarter * sine).to(x_BHND.dtype)], dim=2)
