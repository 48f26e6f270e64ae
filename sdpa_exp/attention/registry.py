"""The cores by name, and cores of your own by `package.module:NAME`.

A new core is a file with a `Core` and a line here; the parity test finds it by itself. FlashAttention 3 and 4, xFormers
and SageAttention have their place here once a GPU has run them: code that was never executed is not offered.
`flash_attn` is the one exception, and says so (`Core.executed_on`).
"""

from __future__ import annotations

import functools
import importlib

from sdpa_exp.attention.auto import AUTO
from sdpa_exp.attention.core import Core
from sdpa_exp.attention.eager import EAGER, STOCK
from sdpa_exp.attention.flash_attn import FLASH_ATTN
from sdpa_exp.attention.flex import FLEX
from sdpa_exp.attention.identity import IDENTITY
from sdpa_exp.attention.sdpa import CUDNN, EFFICIENT, FLASH, MATH, SDPA
from sdpa_exp.errors import CoreUnavailable

_ALL = (STOCK, EAGER, SDPA, FLASH, EFFICIENT, CUDNN, MATH, FLASH_ATTN, FLEX, AUTO, IDENTITY)
CORES: dict[str, Core] = {core.name: core for core in _ALL}


@functools.cache
def get_core(name: str) -> Core:
    """The core with this name.

    Raises:
        CoreUnavailable: there is no such core, or `package.module:NAME` does not import to a Core.
    """
    if name in CORES:
        return CORES[name]
    module_name, _, attribute = name.partition(":")
    if not attribute:
        raise CoreUnavailable(
            f"attention core '{name}' is unknown: expected one of {', '.join(CORES)}, "
            "or 'package.module:NAME' that names a sdpa_exp.attention.core.Core."
        )
    try:
        core = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise CoreUnavailable(f"attention core '{name}' can't be imported: {error}.") from error
    if not isinstance(core, Core):
        raise CoreUnavailable(f"attention core '{name}' is a {type(core).__name__}; expected a Core instance.")
    return core
