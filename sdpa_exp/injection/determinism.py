"""Parts of a model that have no deterministic implementation on a device, for strict determinism."""

from __future__ import annotations

from torch import nn

# Class -> the operation, and the device types where it has no deterministic backward pass.
# Source: torch.use_deterministic_algorithms' list (2.15), and Ultralytics' own note in models/rtdetr/train.py.
_UNFIT: dict[str, tuple[str, frozenset[str]]] = {
    "ultralytics.nn.modules.transformer.MSDeformAttn": (
        "RT-DETR's decoder samples with grid_sample, whose backward pass on CUDA is not deterministic",
        frozenset({"cuda"}),
    ),
}


def reasons_against_strict(network: nn.Module, device_type: str) -> list[str]:
    """Why a network can't train under strict determinism on a device type; empty when nothing is known against it."""
    reasons: dict[str, None] = {}
    for module in network.modules():
        found = _UNFIT.get(f"{type(module).__module__}.{type(module).__qualname__}")
        if found is not None and device_type in found[1]:
            reasons[f"{found[0]}, and determinism=strict was asked for"] = None
    return list(reasons)
