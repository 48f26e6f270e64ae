"""The names that a backend may have; the registry has the backends, and imports torch."""

from __future__ import annotations

import re

from sdpa_exp.config.refusing import nearest, refuse

BACKENDS = (
    "stock", "stock_fixed", "eager", "sdpa", "flash", "efficient", "cudnn", "math", "flash_attn", "flex", "auto",
    "identity",
)  # fmt: skip
_OWN_BACKEND = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def check_backend_name(key: str, backend: str) -> None:
    """Refuse a name that is neither a backend of ours nor a `package.module:Name`."""
    if backend not in BACKENDS and not _OWN_BACKEND.fullmatch(backend):
        expected = f"one of {', '.join(BACKENDS)}, or package.module:Name for your own"
        refuse(key, backend, expected, nearest(key, backend, BACKENDS))
