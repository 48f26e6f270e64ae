"""A backend that tells all it can find out: what a careless `print` or traceback in somebody's code would show."""

from __future__ import annotations

import os
from pathlib import Path

from torch import Tensor

from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.requirements import FLOATS, Requirements


def leak(q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor, scale: float) -> Tensor:
    print("environment of the worker:", dict(os.environ), flush=True)
    raise RuntimeError(f"an error with all it knows: {dict(os.environ)} {Path('/proc/self/cmdline').read_text()}")


LEAKY = Backend(
    name="leaky",
    summary="tells everything",
    function=leak,
    kernels=frozenset({"math"}),
    requirements=Requirements(dtypes={"cpu": FLOATS}),
)
