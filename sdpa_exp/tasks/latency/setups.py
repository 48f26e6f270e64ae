"""What is compared under what: the arms, the precisions and memory formats, and a predictor for each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from sdpa_exp.attention.registry import check
from sdpa_exp.config.plan import Plan
from sdpa_exp.injection.layers import find_layers, settings_of
from sdpa_exp.tasks.auto_attention import inference_choices, inference_setting
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


def reasons_against(plan: Plan, backend: str, precision: str, network: nn.Module) -> list[str]:
    """Why a backend can't predict in this precision; empty when it can.

    Raises:
        InjectionError: the network has no attention layers.
    """
    if precision == "fp16" and torch.device(plan.hardware.device).type == "cpu":
        return ["Ultralytics predicts in fp32 on a CPU, whatever it is asked for"]
    return check(backend, *settings_of(find_layers(network), inference_setting(plan, precision)))


def prepare_arm(plan: Plan, network: nn.Module, backend: str, options: Options, *, batch: int) -> Arm:
    """A backend that has no `reasons_against` it, ready to predict; auto chooses for batches of so many images."""
    choices = inference_choices(
        plan,
        network,
        backend,
        options.precision,
        batch=batch,
        imgsz=options.imgsz,
        channels_last=options.channels_last,
    )
    return Arm(network, backend, options, choices)


def build_arms(plan: Plan, network: nn.Module, imgsz: int, setup: Setup) -> tuple[dict[str, Arm], list[dict[str, str]]]:
    """The arms that can run, and for each of the others its name, the setup and the reason.

    Args:
        plan: resolved.
        network: on the plan's device; not changed.
        imgsz: edge in pixels.
        setup: precision and memory format.

    Raises:
        InjectionError: the network has no attention layers.
    """
    latency = Latency.of(plan)
    options = Options(
        device=torch.device(plan.hardware.device),
        imgsz=imgsz,
        precision=setup.precision,
        channels_last=setup.channels_last,
        conf=latency.conf,
        nms=latency.nms,
        run_dir=plan.run_dir,
    )
    arms: dict[str, Arm] = {}
    not_run = []
    for name, backend in arms_of(plan).items():
        reasons = reasons_against(plan, backend, setup.precision, network)
        if not reasons:
            arms[name] = prepare_arm(plan, network, backend, options, batch=latency.batches[0])
            if setup.channels_last and not arms[name].is_channels_last:
                del arms[name]
                reasons = [f"Ultralytics does not offer channels_last on {options.device}"]
        if reasons:
            not_run.append({"arm": name, "setup": setup.words, "reason": "; ".join(reasons)})
    return arms, not_run
