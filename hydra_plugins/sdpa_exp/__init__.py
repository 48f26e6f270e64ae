"""Where Hydra looks for plugins, and nowhere else: a namespace that every package of plugins adds to."""

from __future__ import annotations

from sdpa_exp.search.sweeper import Search as _Search


class Search(_Search):
    """`hydra/sweeper=search`."""
