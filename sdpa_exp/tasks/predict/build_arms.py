"""Builds the predictors of all arms for one precision and memory format, or says why an arm has none."""

from __future__ import annotations

from torch import nn

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.config.plan import Plan
from sdpa_exp.data.cache import cache_root
from sdpa_exp.injection.auto import choose
from sdpa_exp.injection.inject import Choices
from sdpa_exp.injection.layers import find_layers
from sdpa_exp.tasks.auto import FOLDER
from sdpa_exp.tasks.predict import Predict
from sdpa_exp.tasks.predict.arm import Arm, Options
from sdpa_exp.tasks.predict.setups import Setup, arms_of, reasons_against, setting_of


def build_arms(
    plan: Plan, network: nn.Module, imgsz: int, setup: Setup, *, driver: str | None
) -> tuple[dict[str, Arm], list[dict[str, str]]]:
    """The arms that can run, and for each of the others its name, the setup and the reason.

    Args:
        plan: resolved.
        network: on the plan's device; not changed.
        imgsz: edge in pixels.
        setup: precision and memory format.
        driver: of the GPU; a choice of `auto` is valid for one.

    Raises:
        InjectionError: the network has no attention layers.
    """
    layers = find_layers(network)
    options = Options(
        device=next(network.parameters()).device,
        imgsz=imgsz,
        precision=setup.precision,
        channels_last=setup.channels_last,
        conf=Predict.of(plan).conf,
        nms=Predict.of(plan).nms,
        run_dir=plan.run_dir,
    )
    arms: dict[str, Arm] = {}
    not_run = []
    for name, backend in arms_of(plan).items():
        reasons = reasons_against(plan, backend, setup, layers)
        if not reasons:
            choices = _choices(plan, network, imgsz, setup, driver) if backend == AUTO_NAME else None
            arms[name] = Arm(network, backend, options, choices)
            if setup.channels_last and not arms[name].is_channels_last:
                del arms[name]
                reasons = [f"Ultralytics does not offer channels_last on {options.device}"]
        if reasons:
            not_run.append({"arm": name, "setup": setup.words, "reason": "; ".join(reasons)})
    return arms, not_run


def _choices(plan: Plan, network: nn.Module, imgsz: int, setup: Setup, driver: str | None) -> Choices:
    """What auto chooses for inference, at the first batch size."""
    choice = choose(
        network,
        setting_of(plan, setup),
        device=next(network.parameters()).device,
        batch=Predict.of(plan).batches[0],
        imgsz=imgsz,
        channels_last=bool(setup.channels_last),
        driver=driver,
        folder=cache_root() / FOLDER,
    )
    return choice.backends
