"""Where data sets are kept between runs: one folder for the user, found by the rules of the platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE_VARIABLE = "SDPA_EXP_CACHE"


def cache_root() -> Path:
    """The cache folder: `SDPA_EXP_CACHE` if set, else the platform's; it may not exist yet.

    Linux: `$XDG_CACHE_HOME` or `~/.cache`; macOS: `~/Library/Caches`; Windows: `%LOCALAPPDATA%`.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return _platform_cache() / "sdpa_exp"


def _platform_cache() -> Path:
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return Path(xdg) if os.path.isabs(xdg) else home / ".cache"  # the XDG rules tell us to ignore relative paths
