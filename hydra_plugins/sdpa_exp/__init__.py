"""Where Hydra looks for plugins, and nowhere else: a namespace that every package of plugins adds to."""

from __future__ import annotations

from sdpa_exp.config.ray_launcher import RunsOnRay as _RunsOnRay
from sdpa_exp.search.sweeper import Search as _Search


class RunsOnRay(_RunsOnRay):
    """`hydra/launcher=ray_sdpa`."""


class Search(_Search):
    """`hydra/sweeper=search`."""
