"""Precisions by the names people use, and autocast to one of them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

HALVES = frozenset({torch.float16, torch.bfloat16})
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""What a training can be asked for."""
_SHORT = {torch.float64: "fp64", **{dtype: name for name, dtype in DTYPES.items()}}


def dtype_name(dtype: torch.dtype) -> str:
    """The short name people use: fp32, bf16, ..."""
    return _SHORT.get(dtype, str(dtype).removeprefix("torch."))


def autocast_to(dtype: torch.dtype, device_type: str) -> AbstractContextManager[Any]:
    """Autocast to a half precision; nothing for fp32 and fp64."""
    return torch.autocast(device_type, dtype=dtype) if dtype in HALVES else nullcontext()
