"""Which attention kernels a compiled model ran: counts over the whole graph, since it has no modules left to watch.

Inductor keeps PyTorch's fused attention operations as they are, so that they can be counted. Explicit attention, math
and flex become generated code that carries no name: there the evidence is that no fused operation ran. That is worth
looking at, because Inductor may also rewrite an explicit softmax attention into a fused one by itself
(torch/_inductor/fx_passes/fuse_attention.py), and two arms would become one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sdpa_exp.attention.backend import Kernel
from sdpa_exp.evidence.kernel_names import BACKWARD_OPS, FORWARD_OPS, LABELS, allowed_at
from sdpa_exp.evidence.profile import profiled_events
from sdpa_exp.injection.inject import layer_backend
from sdpa_exp.injection.layers import Layer

_NAMED: frozenset[Kernel] = frozenset({"flash", "efficient", "cudnn", "flash_attn"})
"""Kernels that keep their operation in a compiled graph."""


@dataclass(frozen=True, kw_only=True)
class CompiledEvidence:
    """Calls of fused attention operations in one compiled training step, and what disagrees with the backends."""

    forward: dict[str, int]
    backward: dict[str, int]
    mismatches: tuple[str, ...]


def is_compiled(model: Any) -> bool:
    """Whether torch.compile wraps the model."""
    return hasattr(model, "_orig_mod")


def attest_compiled(step: Callable[[], object], layers: Sequence[Layer], device: torch.device) -> CompiledEvidence:
    """Run one training step of a compiled model under the profiler.

    Args:
        step: forward and backward of the compiled model, compiled already.
        layers: of the model that was compiled.
        device: where it is.
    """
    names = [event.name for event in profiled_events(step, device)]
    forward, backward = _count(names, FORWARD_OPS), _count(names, BACKWARD_OPS)
    allowed = [allowed_at(layer, layer_backend(layer)) for layer in layers]
    return CompiledEvidence(
        forward={LABELS[kernel]: calls for kernel, calls in forward.items()},
        backward={LABELS[kernel]: calls for kernel, calls in backward.items()},
        mismatches=(*_mismatches("forward", forward, allowed), *_mismatches("backward", backward, allowed)),
    )


def _count(names: Iterable[str], operations: dict[str, Kernel]) -> Counter[Kernel]:
    return Counter(kernel for name in names if (kernel := operations.get(name)) in _NAMED and kernel is not None)


def _mismatches(direction: str, seen: Counter[Kernel], allowed: Sequence[frozenset[Kernel] | None]) -> list[str]:
    known = [kernels for kernels in allowed if kernels is not None]
    wrong = sorted(set(seen) - frozenset[Kernel]().union(*known)) if len(known) == len(allowed) else []
    found = [
        f"the compiled {direction} ran {LABELS[kernel]} {seen[kernel]} times, which no layer asks for: torch.compile "
        "replaced the attention"
        for kernel in wrong
    ]
    num_wanted = sum(bool(kernels) and kernels <= _NAMED for kernels in known)
    num_right = sum(calls for kernel, calls in seen.items() if kernel not in wrong)
    if num_right < num_wanted:
        found.append(f"the compiled {direction} made {num_right} fused attention calls; expected {num_wanted}")
    return found
