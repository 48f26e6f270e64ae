"""The op level: the attention product alone, on contiguous random q, k, v of shape (B, H, N, D)."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sdpa_exp.attention.backend import BackendFunction
from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.attention.registry import get_backend
from sdpa_exp.config.plan import Plan
from sdpa_exp.injection.layers import Layer
from sdpa_exp.tasks.bench.arms import bench_setting, refusals
from sdpa_exp.tasks.bench.case import Arms, Case, Entry

LEVEL = "op"
PUBLISHED_GRID: tuple[tuple[int, int, int, int], ...] = (
    (8, 8, 256, 64),
    *((1, 8, tokens, 64) for tokens in (400, 484, 576, 676)),  # 320, 352, 384, 416 px at stride 16
    *((batch, 8, tokens, 64) for tokens in (512, 1024, 2048) for batch in (1, 2, 4)),  # (2, 8, 1024, 64) among them
)
"""Shapes of micro-benchmarks that others have published, so that figures can be laid side by side."""
_LAYER = "product"


class _Product(nn.Module):
    """A backend as a module, so that the profiler can be told where to look."""

    def __init__(self, function: BackendFunction) -> None:
        super().__init__()
        self._function = function

    def forward(self, q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
        return self._function(q_BHND, k_BHND, v_BHND, scale)


def op_cases(
    plan: Plan, arms: Arms, shapes: Sequence[tuple[int, ...]], *, precision: str, device: torch.device
) -> list[Case]:
    """Forward, and forward with backward, of each shape; a fifth number is v's own head_dim."""
    cases = []
    for shape in dict.fromkeys(shapes):
        batch, heads, tokens, head_dim = shape[:4]
        head_dim_v = shape[4] if len(shape) > 4 else head_dim
        for what in ("forward", "forward+backward"):
            is_backward = what != "forward"
            setting = bench_setting(plan, precision, (*shape[:4], head_dim_v), needs_grad=is_backward)
            cases.append(
                Case(
                    level=LEVEL,
                    what=what,
                    name=" ".join(map(str, shape)),
                    precision=precision,
                    facts={
                        "batch": batch,
                        "heads": heads,
                        "tokens": tokens,
                        "head_dim": head_dim,
                        "head_dim_v": head_dim_v,
                        "num_items": batch * tokens,
                        "items": "tokens",
                    },
                    work=batch * heads * tokens**2 * (head_dim + head_dim_v) * (3 if is_backward else 1),
                    build=functools.partial(
                        _build, shape=shape, precision=precision, device=device, is_backward=is_backward
                    ),
                    refused=refusals(arms, setting, level=LEVEL),
                )
            )
    return cases


def _build(
    arms: Arms, *, shape: tuple[int, ...], precision: str, device: torch.device, is_backward: bool
) -> dict[str, Entry]:
    batch, heads, tokens, head_dim = shape[:4]
    head_dim_v = shape[4] if len(shape) > 4 else head_dim
    generator = torch.Generator().manual_seed(0)

    def random(last: int) -> Tensor:
        return torch.randn(batch, heads, tokens, last, generator=generator).to(device, DTYPES[precision])

    qkv, upstream = [random(head_dim), random(head_dim), random(head_dim_v)], random(head_dim_v)
    entries = {}
    for label, name in arms.items():
        backend = get_backend(name)
        assert backend.function is not None
        product = _Product(backend.function)
        layer = Layer(
            name=_LAYER,
            module=product,
            family=LEVEL,
            num_heads=heads,
            head_dim_qk=head_dim,
            head_dim_v=head_dim_v,
        )
        call = forward_backward if is_backward else forward
        entries[label] = Entry(
            call=functools.partial(call, backend.function, qkv, upstream),
            prepare=lambda: None,
            watched=functools.partial(call, product, qkv, upstream),
            layers=(layer,),
            allowed={_LAYER: backend.kernels},
        )
    return entries


@torch.no_grad()
def forward(function: BackendFunction, qkv: Sequence[Tensor], upstream: Tensor) -> None:
    """One product, nothing kept for a backward."""
    q, k, v = qkv
    function(q, k, v, q.shape[-1] ** -0.5)


def forward_backward(function: BackendFunction, qkv: Sequence[Tensor], upstream: Tensor) -> None:
    """One product and the gradients of q, k and v."""
    q, k, v = (part.detach().requires_grad_() for part in qkv)
    torch.autograd.grad(function(q, k, v, q.shape[-1] ** -0.5), (q, k, v), upstream)
