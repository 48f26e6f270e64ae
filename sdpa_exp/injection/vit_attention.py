"""ViT-style attention: one qkv Linear, a product, one output Linear. Also a drop-in module of that kind.

Such modules are copied from project to project under many names, so they are recognised by their looks: exactly these
children, no parameters or buffers of their own, a forward that needs one tensor. Looks can deceive (a bias added to
the weights, rotated queries): injection compares with the module's own forward before it accepts one.
"""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor, nn

from sdpa_exp.attention.backend import BackendFunction
from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.attention.registry import get_backend
from sdpa_exp.injection.dispatch import ATTRIBUTE, install_dispatcher

_NEEDED = {"qkv", "proj"}
_OPTIONAL = {"attn_drop", "proj_drop", "q_norm", "k_norm", "norm"}  # norm: timm's, between product and projection


def is_vit_attention(module: nn.Module) -> bool:
    """Whether a module looks like ViT attention: fused qkv Linear to 3 C, proj Linear from C, num_heads."""
    children = dict(module.named_children())
    if not _NEEDED <= set(children) <= _NEEDED | _OPTIONAL or module._parameters or module._buffers:
        return False
    qkv, proj, heads = children["qkv"], children["proj"], getattr(module, "num_heads", None)
    if not isinstance(qkv, nn.Linear) or not isinstance(proj, nn.Linear) or not isinstance(heads, int):
        return False
    return qkv.out_features == 3 * proj.in_features and proj.in_features % heads == 0 and _takes_one_tensor(module)


def vit_proof(module: Any) -> tuple[tuple[int, ...], ...]:
    """The shape of tokens to compare a module's own forward with."""
    return ((2, 5, module.qkv.in_features),)


def _takes_one_tensor(module: nn.Module) -> bool:
    own = inspect.unwrap(type(module).forward)
    parameters = list(inspect.signature(own).parameters.values())[1:]
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return len(needed) == 1


def vit_attention(module: Any, x_BNC: Tensor, backend: BackendFunction) -> Tensor:
    """The module's forward with `backend` for its attention product; (B, N, C) in and out."""
    batch, tokens, _ = x_BNC.shape
    heads = module.num_heads
    head_dim = module.proj.in_features // heads
    q, k, v = module.qkv(x_BNC).view(batch, tokens, 3, heads, head_dim).unbind(2)
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    if hasattr(module, "q_norm"):
        q = module.q_norm(q)
    if hasattr(module, "k_norm"):
        k = module.k_norm(k)
    out_BHND = backend(q, k, v, head_dim**-0.5)
    out: Tensor = out_BHND.transpose(1, 2).reshape(batch, tokens, heads * head_dim)
    out = module.proj(module.norm(out) if hasattr(module, "norm") else out)
    return module.proj_drop(out) if hasattr(module, "proj_drop") else out


class Attention(nn.Module):
    """Multi-head self-attention for networks of your own, with any backend; a layer like any other.

    Args:
        dim: channels in and out; a multiple of num_heads.
        num_heads: number of heads.
        backend: as for `inject`, by name; "stock" for explicit softmax.
        bias: whether the qkv Linear has a bias.

    Raises:
        BackendUnavailable: no such backend.
        ValueError: dim is not a multiple of num_heads.
    """

    def __init__(self, dim: int, num_heads: int, backend: str = "sdpa", *, bias: bool = True) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"dim={dim} can't be split into num_heads={num_heads}: expected a multiple of it.")
        get_backend(backend)
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.proj = nn.Linear(dim, dim)
        setattr(self, ATTRIBUTE, backend)

    def forward(self, x_BNC: Tensor) -> Tensor:
        """(B, N, C) in and out; without the dispatcher, or with "stock", explicit softmax."""
        return vit_attention(self, x_BNC, explicit_attention)


install_dispatcher(Attention, vit_attention)  # here, so that it also holds for instances that were unpickled
