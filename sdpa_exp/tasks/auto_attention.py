"""Resolves attention=auto for a plan: made once on a machine, kept in the cache folder, and shared by all its runs."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.config.plan import Plan
from sdpa_exp.data.cache import cache_root
from sdpa_exp.injection.auto import choose
from sdpa_exp.injection.auto_choice import AutoChoice
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.inject import Choices
from sdpa_exp.runs.environment import collect_environment
from sdpa_exp.tasks.hardware import base_setting

FOLDER = "auto"


def resolve_auto(plan: Plan, network: nn.Module | None = None) -> AutoChoice:
    """The backend of every layer of the plan's model in training; measured on first use, then read.

    Args:
        plan: resolved (no `None` or `auto` left in the hardware group).
        network: built from the plan's architecture; None builds it.

    Raises:
        InjectionError: the model has no attention layers.
    """
    network = build_network(plan.model.architecture) if network is None else network
    batch, channels_last = plan.hardware.batch_size or 1, bool(plan.hardware.channels_last)
    return _choose(plan, network, base_setting(plan), batch=batch, imgsz=plan.imgsz, channels_last=channels_last)


def inference_choices(
    plan: Plan, network: nn.Module, backend: str, precision: str, *, batch: int, imgsz: int, channels_last: bool | None
) -> Choices | None:
    """Layer -> backend where this is the arm auto, whose choice is made for inference; None for any other."""
    if backend != AUTO_NAME:
        return None
    setting = inference_setting(plan, precision)
    return _choose(plan, network, setting, batch=batch, imgsz=imgsz, channels_last=bool(channels_last)).backends


def inference_setting(plan: Plan, precision: str) -> Setting:
    """What a backend is asked for in inference, where floors that compute no attention are welcome."""
    return replace(base_setting(plan), dtype=DTYPES[precision], needs_grad=False, compiled=False, purpose="benchmark")


def _choose(
    plan: Plan, network: nn.Module, setting: Setting, *, batch: int, imgsz: int, channels_last: bool
) -> AutoChoice:
    return choose(
        network,
        setting,
        device=torch.device(plan.hardware.device),
        batch=batch,
        imgsz=imgsz,
        channels_last=channels_last,
        driver=collect_environment()["driver"],
        folder=cache_root() / FOLDER,
    )
