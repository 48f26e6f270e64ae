"""The backends by name, and backends of your own by `package.module:NAME`.

A new backend is a file with a `Backend` and a line here; the parity test finds it by itself. FlashAttention 3 and 4,
xFormers and SageAttention have their place here once a GPU has run them: code that was never executed is not offered.
`flash_attn` is the one exception, and says so (`Backend.executed_on`).
"""

from __future__ import annotations

import functools
import importlib

from sdpa_exp.attention.auto import AUTO
from sdpa_exp.attention.backend import Backend
from sdpa_exp.attention.eager import EAGER, STOCK
from sdpa_exp.attention.flash_attn import FLASH_ATTN
from sdpa_exp.attention.flex import FLEX
from sdpa_exp.attention.identity import IDENTITY
from sdpa_exp.attention.sdpa import CUDNN, EFFICIENT, FLASH, MATH, SDPA
from sdpa_exp.attention.stock_fixed import STOCK_FIXED
from sdpa_exp.errors import BackendUnavailable

_ALL = (STOCK, STOCK_FIXED, EAGER, SDPA, FLASH, EFFICIENT, CUDNN, MATH, FLASH_ATTN, FLEX, AUTO, IDENTITY)
BACKENDS: dict[str, Backend] = {backend.name: backend for backend in _ALL}


@functools.cache
def get_backend(name: str) -> Backend:
    """The backend with this name.

    Raises:
        BackendUnavailable: there is no such backend, or `package.module:NAME` does not import to a Backend.
    """
    if name in BACKENDS:
        return BACKENDS[name]
    module_name, _, attribute = name.partition(":")
    if not attribute:
        raise BackendUnavailable(
            f"attention backend '{name}' is unknown: expected one of {', '.join(BACKENDS)}, "
            "or 'package.module:NAME' that names a sdpa_exp.attention.backend.Backend."
        )
    try:
        backend = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise BackendUnavailable(f"attention backend '{name}' can't be imported: {error}.") from error
    if not isinstance(backend, Backend):
        raise BackendUnavailable(
            f"attention backend '{name}' is a {type(backend).__name__}; expected a Backend instance."
        )
    return backend
