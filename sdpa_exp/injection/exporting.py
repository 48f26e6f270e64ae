"""What a graph for another runtime needs: that one lays tensors out in its own way, so that no view may count on ours.

ExecuTorch 1.5.1, for one, has SDPA's output token by token, batch by batch, where PyTorch has it batch by batch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def copied_for_export(x: Tensor) -> Tensor:
    """The tensor; while torch.export traces the model a contiguous copy of it, whose views hold in any layout."""
    return x.clone(memory_format=torch.contiguous_format) if torch.compiler.is_exporting() else x
