"""Does each arm compute what stock computes? One truth for all arms, on real feature maps, in the plan's precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.evidence.equivalence import compare_backends, versions
from sdpa_exp.evidence.layer_run import capture_calls
from sdpa_exp.evidence.rule import MAX_RATIO, Equivalence
from sdpa_exp.tasks.answer.setup import Setup
from sdpa_exp.tasks.bench.case import Arms, describe_failure


def same_function(setup: Setup, arms: Arms, *, num_images: int) -> dict[str, Any]:
    """Arm -> how far its outputs and gradients are from the checked fp64 truth; `stock_faults` beside them.

    Stock itself is the plain computation that all are judged beside, and is not an arm here.
    """
    images = setup.batch["img"][:num_images].contiguous()
    dtype = DTYPES[setup.plan.hardware.precision or "fp32"]
    tested = {label: (name, setup.choices if name == AUTO_NAME else None) for label, name in arms.items()}
    tested = {label: pair for label, pair in tested.items() if pair[0] != "stock"}
    if not tested:
        return {"arms": {}, "stock_faults": []}
    found, failed = compare_backends(setup.network, tested, capture_calls(setup.network, images), dtype=dtype)
    results = {
        label: Equivalence(
            backend=tested[label][0], max_ratio=MAX_RATIO, layers=tuple(layers), versions=versions(setup.device)
        )
        for label, layers in found.items()
    }
    faults = {str(fault): None for result in results.values() for fault in result.stock_faults}
    return {
        "arms": {label: _summary(results[label]) for label in results}
        | {label: {"ok": False, "reason": describe_failure(error)} for label, error in failed.items()},
        "stock_faults": list(faults),
    }


def _summary(result: Equivalence) -> Mapping[str, Any]:
    return {
        "ok": result.ok,
        "worst_ratio": result.worst_ratio,
        "max_ratio": result.max_ratio,
        "max_diff": result.max_diff,
        "num_layers": len(result.layers),
        "wrong": [layer.layer for layer in result.layers if not layer.ok],
        "precision": result.layers[0].precision if result.layers else None,
    }
