"""What is compared under what: the arms, the precisions and memory formats, and a predictor for each."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import nn

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.attention.registry import check
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.config.plan import Plan
from sdpa_exp.data.cache import cache_root
from sdpa_exp.injection.auto import choose
from sdpa_exp.injection.inject import Choices
from sdpa_exp.injection.layers import Layer, find_layers, settings_of
from sdpa_exp.tasks.auto_attention import FOLDER
from sdpa_exp.tasks.hardware import base_setting
from sdpa_exp.tasks.latency import Latency
from sdpa_exp.tasks.latency.arm import Arm, Options

DEFAULT_BASELINE = "stock"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One precision and memory format; channels_last None lets Ultralytics choose."""

    precision: str
    channels_last: bool | None

    @property
    def words(self) -> str:
        """As asked for; what came of it is in the variants."""
        return self.precision + {None: "", True: ", channels_last", False: ", NCHW"}[self.channels_last]


def arms_of(plan: Plan) -> dict[str, str]:
    """Arm -> backend: the baseline first, then the plan's own arm, then those of latency.arms."""
    baseline = baseline_of(plan)
    names = [baseline, plan.arm, *(Latency.of(plan).arms or ())]
    return {name.rpartition(":")[2]: plan.backend_of(name) for name in names}


def baseline_of(plan: Plan) -> str:
    """The control arm."""
    return plan.baseline or DEFAULT_BASELINE


def setups_of(plan: Plan) -> list[Setup]:
    """Precisions outermost. By default what Ultralytics predicts with: fp32, and on CUDA fp16 and both formats."""
    options = Latency.of(plan)
    is_cuda = plan.hardware.device.startswith("cuda")
    precisions = options.precisions or (["fp32", "fp16"] if is_cuda else ["fp32"])
    formats: list[bool | None] = [False, True] if is_cuda else [None]
    if options.channels_last:
        formats = [*options.channels_last]
    return [
        Setup(precision=precision, channels_last=channels_last)
        for precision in dict.fromkeys(precisions)
        for channels_last in dict.fromkeys(formats)
    ]


def setting_of(plan: Plan, setup: Setup) -> Setting:
    """What a backend is asked for: inference, where floors that compute no attention are welcome."""
    return dataclasses.replace(
        base_setting(plan), dtype=DTYPES[setup.precision], needs_grad=False, compiled=False, purpose="benchmark"
    )


def reasons_against(plan: Plan, backend: str, setup: Setup, layers: list[Layer]) -> list[str]:
    """Why a backend can't predict with this setup; empty when it can."""
    if setup.precision == "fp16" and torch.device(plan.hardware.device).type == "cpu":
        return ["Ultralytics predicts in fp32 on a CPU, whatever it is asked for"]
    return check(backend, *settings_of(layers, setting_of(plan, setup)))


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
        conf=Latency.of(plan).conf,
        nms=Latency.of(plan).nms,
        run_dir=plan.run_dir,
    )
    arms: dict[str, Arm] = {}
    not_run = []
    for name, backend in arms_of(plan).items():
        reasons = reasons_against(plan, backend, setup, layers)
        if not reasons:
            choices = None
            if backend == AUTO_NAME:
                batch = Latency.of(plan).batches[0]
                choices = choose_for_inference(plan, network, imgsz, setup, driver, batch=batch)
            arms[name] = Arm(network, backend, options, choices)
            if setup.channels_last and not arms[name].is_channels_last:
                del arms[name]
                reasons = [f"Ultralytics does not offer channels_last on {options.device}"]
        if reasons:
            not_run.append({"arm": name, "setup": setup.words, "reason": "; ".join(reasons)})
    return arms, not_run


def choose_for_inference(
    plan: Plan, network: nn.Module, imgsz: int, setup: Setup, driver: str | None, *, batch: int
) -> Choices:
    """What auto chooses for inference."""
    choice = choose(
        network,
        setting_of(plan, setup),
        device=next(network.parameters()).device,
        batch=batch,
        imgsz=imgsz,
        channels_last=bool(setup.channels_last),
        driver=driver,
        folder=cache_root() / FOLDER,
    )
    return choice.backends
