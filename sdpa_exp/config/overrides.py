"""All overrides of a sweep, as Hydra's sweepers take them."""

from __future__ import annotations

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf


def sweep_overrides(config: DictConfig, loader: ConfigLoader) -> list[Override]:
    """The sweep parameters of config files, then the command line; a key may stand twice.

    Raises:
        OverrideParseException: one can't be read.
    """
    sweeper = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    assert isinstance(sweeper, dict)
    lines = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    lines += [str(line) for line in config.hydra.overrides.task]
    return OverridesParser.create(config_loader=loader).parse_overrides(lines)
