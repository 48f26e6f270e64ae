"""What follows from the kind of device alone, where torch can't be imported: broken, or not yet to be read."""

from __future__ import annotations

import os


def native_precisions(capability: tuple[int, int] | None) -> tuple[str, ...]:
    """Those that a training computes natively, from exact to fast; bf16 is emulated before sm80.

    Args:
        capability: of a CUDA device; None elsewhere.
    """
    if capability is None:
        return ("fp32",)
    return ("fp32", "fp16", "bf16") if capability >= (8, 0) else ("fp32", "fp16")


def default_allocator(device: str) -> str | None:
    """PYTORCH_ALLOC_CONF for `hardware.device` where none was chosen (auto counts as CUDA: elsewhere it has no effect).

    Expandable segments keep fragmentation out of memory peaks; Windows has none.
    """
    is_cuda = device == "auto" or device.startswith("cuda")
    return "expandable_segments:True" if is_cuda and os.name != "nt" else None
