"""The setting of PyTorch's CUDA allocator where none was chosen; read before torch is imported, so it imports none."""

from __future__ import annotations

import os


def default_allocator(device: str) -> str | None:
    """PYTORCH_ALLOC_CONF for `hardware.device` (auto counts as CUDA: elsewhere the variable has no effect).

    Expandable segments keep fragmentation out of memory peaks; Windows has none.
    """
    is_cuda = device == "auto" or device.startswith("cuda")
    return "expandable_segments:True" if is_cuda and os.name != "nt" else None
