"""What is compared under what: the arms of a run, and the precisions and memory formats each is built for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from sdpa_exp.attention.registry import check
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.config.plan import Plan
from sdpa_exp.injection.layers import Layer, settings_of
from sdpa_exp.tasks.auto import base_setting
from sdpa_exp.tasks.hardware import DTYPES
from sdpa_exp.tasks.predict import Predict

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
    """Arm -> backend: the baseline first, then the plan's own arm, then those of predict.arms."""
    baseline = baseline_of(plan)
    names = [baseline, plan.arm, *(Predict.of(plan).arms or ())]
    return {name.rpartition(":")[2]: plan.backend_of(name) for name in names}


def baseline_of(plan: Plan) -> str:
    """The control arm."""
    return plan.baseline or DEFAULT_BASELINE


def setups_of(plan: Plan) -> list[Setup]:
    """Precisions outermost. By default what Ultralytics predicts with: fp32, and on CUDA fp16 and both formats."""
    options = Predict.of(plan)
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
