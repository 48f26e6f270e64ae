"""Attention backends with a fault planted in them: each must be found at every layer that it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.attention.requirements import ANYWHERE


def _heads_swapped(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    out = explicit_attention(q, k, v, scale)
    return torch.cat([out[:, 1:2], out[:, :1], out[:, 2:]], dim=1)


def _tokens_major(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Hands back (B, N, H, D) memory as if it were (B, H, N, D): the flash-attn package's layout, forgotten."""
    out = explicit_attention(q, k, v, scale)
    return out.transpose(1, 2).reshape(out.shape)


def _row_dropped(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    out = explicit_attention(q, k, v, scale).clone()
    out[0, 0, -1] = 0
    return out


def _nan_in_a_corner(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    out = explicit_attention(q, k, v, scale).clone()
    out[-1, -1, -1, -1] = float("nan")
    return out


def _to_tf32(x: Tensor) -> Tensor:
    """Ten bits of mantissa; the gradient passes."""
    rounded = ((x.detach().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)
    return x + (rounded - x.detach())


def _planted(name: str, function: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> Backend:
    return Backend(name=name, summary="", function=function, kernels=frozenset({"softmax"}), requirements=ANYWHERE)


SCALE_OFF_BY_A_THOUSANDTH = _planted("scale", lambda q, k, v, scale: explicit_attention(q, k, v, 1.001 * scale))
HEADS_SWAPPED = _planted("heads_swapped", _heads_swapped)
AREA_SHIFTED = _planted("area_shifted", lambda q, k, v, scale: explicit_attention(q, k, v, scale).roll(1, 0))
TOKENS_MAJOR = _planted("tokens_major", _tokens_major)
CAST_TO_BF16 = _planted(
    "cast_to_bf16",
    lambda q, k, v, scale: explicit_attention(q.bfloat16(), k.bfloat16(), v.bfloat16(), scale).to(q.dtype),
)
CAST_TO_TF32 = _planted(
    "cast_to_tf32", lambda q, k, v, scale: explicit_attention(_to_tf32(q), _to_tf32(k), _to_tf32(v), scale)
)
ROW_DROPPED = _planted("row_dropped", _row_dropped)
KEY_DROPPED = _planted("key_dropped", lambda q, k, v, scale: explicit_attention(q, k[:, :, :-1], v[:, :, :-1], scale))
NAN = _planted("nan", _nan_in_a_corner)
NO_GRADIENT_OF_Q = _planted("no_dq", lambda q, k, v, scale: explicit_attention(q.detach(), k, v, scale))
NO_GRADIENT_OF_K = _planted("no_dk", lambda q, k, v, scale: explicit_attention(q, k.detach(), v, scale))
NO_GRADIENT_OF_V = _planted("no_dv", lambda q, k, v, scale: explicit_attention(q, k, v.detach(), scale))

FAULTS = [name for name, value in globals().items() if isinstance(value, Backend)]

WITHIN_HALF = {"SCALE_OFF_BY_A_THOUSANDTH", "CAST_TO_BF16", "CAST_TO_TF32"}
"""What a half precision rounds away: a thousandth is less than its unit."""
for _name in sorted(set(FAULTS) - WITHIN_HALF):
    globals()["FUSED_" + _name] = replace(globals()[_name], kernels=frozenset({"flash"}))
FUSED_FAULTS = ["FUSED_" + name for name in FAULTS if name not in WITHIN_HALF]
"""The same, as what says that it is a fused kernel: judged by what that explains in a half precision."""
