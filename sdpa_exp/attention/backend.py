"""What a backend is: a function of q, k, v, and the facts about it that others rely on.

Shapes: B batch x areas, H heads, N tokens per area, D head_dim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from sdpa_exp.attention.requirements import Requirements

BackendFunction = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""backend(q_BHND, k_BHND, v_BHND, scale) -> out_BHND: any strides in, out shaped like v."""

Kernel = Literal["softmax", "math", "flash", "efficient", "cudnn", "flash_attn", "flex"]
"""What computes the product.

`softmax` is explicit matmul, softmax, matmul; math, flash, efficient and cudnn are PyTorch's SDPA kernels;
`flash_attn` is the flash-attn package; `flex` is a compiled flex_attention.
"""

FUSED_OR_MATH: frozenset[Kernel] = frozenset({"math", "flash", "efficient", "cudnn"})
NOT_YET_RUN = "not yet run by the authors on this device"


@dataclass(frozen=True, kw_only=True)
class Backend:
    """One way to compute the attention product.

    Attributes:
        name: what users write in `attention=`.
        summary: one line for people.
        function: None means the module's own forward, untouched (stock).
        around: with function=None: what the module's own forward becomes for this backend; None leaves it as it is.
        kernels: those that count as "what was asked for"; the attestation compares.
            Empty for a backend that computes no attention.
        requirements: when it can run.
        executed_on: device types that the authors have run it on; a device joins with a committed attestation of a run.
    """

    name: str
    summary: str
    function: BackendFunction | None
    kernels: frozenset[Kernel]
    requirements: Requirements
    executed_on: frozenset[str] = frozenset()
    around: Callable[[Callable[..., Tensor]], Callable[..., Tensor]] | None = None

    def caveat(self, device_type: str) -> str | None:
        """What to say beside a "yes" on this device type; None where the authors have run the backend there."""
        return None if device_type in self.executed_on else NOT_YET_RUN
