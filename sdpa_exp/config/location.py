"""Where the config files are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from sdpa_exp.errors import ConfigError

MLFLOW_SOURCE = "mlflow:"
"""Before the name of an experiment, or the id of a run, among the paths of compare.runs."""


def conf_dir() -> Path:
    """The folder with config.yaml and the groups.

    Raises:
        ConfigError: neither place has one, as after copying the package by hand.
    """
    package = Path(__file__).resolve().parents[1]
    places = (package / "conf", package.parent / "conf")
    for place in places:
        if (place / "config.yaml").is_file():
            return place
    raise ConfigError(
        f"The config files are missing: expected config.yaml in {places[0]} or {places[1]}. "
        "Install again with `pip install .` from a complete checkout."
    )
