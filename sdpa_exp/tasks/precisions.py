"""Which precisions a training computes natively, by device; no torch, since the doctor asks where that is broken."""

from __future__ import annotations


def native_precisions(capability: tuple[int, int] | None) -> tuple[str, ...]:
    """From exact to fast: fp32 alone without CUDA, where `capability` is None; bf16 is emulated before sm80."""
    if capability is None:
        return ("fp32",)
    return ("fp32", "fp16", "bf16") if capability >= (8, 0) else ("fp32", "fp16")
