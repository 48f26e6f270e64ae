"""Plans for tests, composed as the entry composes them."""

from __future__ import annotations

from pathlib import Path

from sdpa_exp.config.compose import plan_from_config
from sdpa_exp.config.plan import Job, Plan
from tests.config.composing import compose_config


def plan_of(*overrides: str, run_dir: Path) -> Plan:
    return plan_from_config(compose_config(*overrides), Job(run_dir=str(run_dir)))
