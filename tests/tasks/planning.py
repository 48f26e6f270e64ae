"""Plans for tests, composed as the entry composes them."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir

from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config.compose import plan_from_config, register_schemas
from sdpa_exp.config.plan import Job, Plan


def plan_of(*overrides: str, run_dir: Path) -> Plan:
    register_schemas()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return plan_from_config(compose("config", overrides=list(overrides)), Job(run_dir=str(run_dir)))
