"""The names that a core may have; the registry has the cores, and imports torch."""

from __future__ import annotations

import re

from sdpa_exp.config.refusing import nearest, refuse

CORES = (
    "stock", "eager", "sdpa", "flash", "efficient", "cudnn", "math", "flash_attn", "flex", "auto", "identity",
)  # fmt: skip
_OWN_CORE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def check_core_name(key: str, core: str) -> None:
    """Refuse a name that is neither a core of ours nor a `package.module:Name`."""
    if core not in CORES and not _OWN_CORE.fullmatch(core):
        expected = f"one of {', '.join(CORES)}, or package.module:Name for your own"
        refuse(key, core, expected, nearest(key, core, CORES))
