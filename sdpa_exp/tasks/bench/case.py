"""A case of the benchmark: one thing that every arm computes, and how each arm computes it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from sdpa_exp.attention.backend import Kernel
from sdpa_exp.errors import first_line
from sdpa_exp.injection.layers import Layer
from sdpa_exp.measure.out_of_memory import is_out_of_memory

Arms = Mapping[str, str]
"""Label -> backend, as `get_backend` knows it."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """How one arm computes a case.

    Attributes:
        call: what is timed.
        prepare: brings the arm about; called before each sample, never timed.
        watched: the same computation through the modules of `layers`, for the profiler.
        layers: where kernels are looked for.
        allowed: the kernels that count as this arm; None where it is code of its own that may run any.
    """

    call: Callable[[], object]
    prepare: Callable[[], object]
    watched: Callable[[], object]
    layers: tuple[Layer, ...]
    allowed: Mapping[str, frozenset[Kernel] | None]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is timed, and how it is set up.

    Attributes:
        level: op, module, inference or step.
        what: forward, forward+backward or a step.
        name: for people, unique among the cases with the same level, `what` and precision.
        precision: fp32, fp16 or bf16.
        facts: shapes and sizes: batch, imgsz, tokens, heads, head_dim, images or tokens a call.
        work: cost in arbitrary units; cheap cases come first.
        build: arms -> how each computes it. May run out of memory.
        refused: arm -> why it can't compute this case.
    """

    level: str
    what: str
    name: str
    precision: str
    facts: dict[str, Any]
    work: float
    build: Callable[[Arms], dict[str, Entry]]
    refused: dict[str, str] = field(default_factory=dict)

    def head(self) -> dict[str, Any]:
        """What identifies the case, as plain values."""
        return {
            "level": self.level,
            "what": self.what,
            "name": self.name,
            "precision": self.precision,
            **self.facts,
        }


def describe_failure(error: BaseException) -> str:
    """One line on why a case or an arm could not be computed; out of memory is named as such."""
    first = first_line(error)
    return f"it does not fit into memory ({first})" if is_out_of_memory(error) else f"it failed: {first}"


def free_memory(device: torch.device) -> None:
    """Give back what a case held, so that the next one starts as the first did."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
