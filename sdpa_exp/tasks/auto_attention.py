"""Resolves attention=auto for a plan: made once on a machine, kept in the cache folder, and shared by all its runs."""

from __future__ import annotations

import torch
from torch import nn

from sdpa_exp.config.plan import Plan
from sdpa_exp.data.cache import cache_root
from sdpa_exp.injection.auto import choose
from sdpa_exp.injection.auto_choice import AutoChoice
from sdpa_exp.injection.build import build_network
from sdpa_exp.runs.environment import collect_environment
from sdpa_exp.tasks.hardware import base_setting

FOLDER = "auto"


def resolve_auto(plan: Plan, network: nn.Module | None = None) -> AutoChoice:
    """The backend of every layer of the plan's model; measured on first use, then read.

    Args:
        plan: resolved (no `None` or `auto` left in the hardware group).
        network: built from the plan's architecture; None builds it.

    Raises:
        InjectionError: the model has no attention layers.
    """
    device = torch.device(plan.hardware.device)
    return choose(
        build_network(plan.model.architecture) if network is None else network,
        base_setting(plan),
        device=device,
        batch=plan.hardware.batch_size or 1,
        imgsz=plan.imgsz,
        channels_last=bool(plan.hardware.channels_last),
        driver=collect_environment()["driver"],
        folder=cache_root() / FOLDER,
    )
