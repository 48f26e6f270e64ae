"""Zero-padding to one head_dim, for kernels that need it: q and k of PSA blocks have half of v's.

Zeros add nothing to q k^T, so the product is the same as long as the scale is the original one; columns of zeros in v
give columns of zeros in out, which are cut off.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from sdpa_exp.attention.backend import BackendFunction


@dataclass(frozen=True, kw_only=True)
class PaddedToOneHeadDim:
    """A backend function that gets q, k and v with the largest of their head_dims; equal ones pass as they are."""

    function: BackendFunction

    def __call__(self, q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
        """The wrapped function's product, with v's head_dim."""
        head_dim_qk, head_dim_v = q_BHND.shape[-1], v_BHND.shape[-1]
        if head_dim_qk == head_dim_v:
            return self.function(q_BHND, k_BHND, v_BHND, scale)
        head_dim = max(head_dim_qk, head_dim_v)
        q_BHND, k_BHND, v_BHND = (_pad(tensor, head_dim) for tensor in (q_BHND, k_BHND, v_BHND))
        return self.function(q_BHND, k_BHND, v_BHND, scale)[..., :head_dim_v]


def _pad(tensor: Tensor, head_dim: int) -> Tensor:
    missing = head_dim - tensor.shape[-1]
    return F.pad(tensor, (0, missing)) if missing else tensor
