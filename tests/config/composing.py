"""Composes a configuration as the entry does, without running anything."""

from __future__ import annotations

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config.compose import plan_from_config, register_schemas
from sdpa_exp.config.plan import Job, Plan


def compose_config(*overrides: str, with_hydra: bool = False) -> DictConfig:
    register_schemas()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", overrides=list(overrides), return_hydra_config=with_hydra)


def compose_plan(*overrides: str) -> Plan:
    return plan_from_config(compose_config(*overrides), Job(run_dir="/runs/one"))
