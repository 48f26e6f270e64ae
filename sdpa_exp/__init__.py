"""Trains and times a detector under different attention implementations, and proves which kernel ran."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdpa_exp.evidence.attest import attest
    from sdpa_exp.evidence.equivalence import verify
    from sdpa_exp.injection.inject import inject
    from sdpa_exp.injection.load import load
    from sdpa_exp.injection.vit_attention import Attention

__version__ = "0.2.0"
__all__ = ["Attention", "__version__", "attest", "inject", "load", "verify"]

_LAZY = {
    "Attention": "sdpa_exp.injection.vit_attention",
    "attest": "sdpa_exp.evidence.attest",
    "inject": "sdpa_exp.injection.inject",
    "load": "sdpa_exp.injection.load",
    "verify": "sdpa_exp.evidence.equivalence",
}


def __getattr__(name: str) -> Any:
    """Import these on first use: the parent process must stay free of torch."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'sdpa_exp' has no attribute '{name}'; it offers {', '.join(__all__)}.")
