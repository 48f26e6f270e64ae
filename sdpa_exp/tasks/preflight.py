"""Before training: can the arms run here, which kernel will each run, and do two of them turn out to be the same?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from sdpa_exp.attention.auto import AUTO_NAME
from sdpa_exp.attention.choice import expected_kernel, refusal
from sdpa_exp.attention.registry import BACKENDS, get_backend
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import BackendUnavailable, InjectionError
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.determinism import reasons_against_strict
from sdpa_exp.injection.layers import Layer, find_layers
from sdpa_exp.tasks.auto import base_setting, resolve_auto


@dataclass(frozen=True, kw_only=True)
class ArmCheck:
    """What preflight found for one arm: reasons against it (empty when it can run), and its kernel."""

    arm: str
    backend: str
    reasons: tuple[str, ...]
    kernel: str | None
    nearest: str | None
    copy_of: str | None = None

    def sentence(self) -> str:
        """Why it can't run, and what would."""
        hint = f" Nearest that runs here: attention={self.nearest}." if self.nearest else ""
        return f"attention={self.arm} can't run here: {'; '.join(self.reasons)}.{hint}"


def check_arm(plan: Plan, network: nn.Module | None = None) -> ArmCheck:
    """Check one plan's backend against its model, device and precision.

    Raises:
        InjectionError: the model has no attention layers.
    """
    network = build_network(plan.model.architecture) if network is None else network
    layers = find_layers(network)
    if not layers:
        raise InjectionError(
            f"model={plan.model.name} has no attention layers that sdpa_exp knows. "
            "Choose a model with attention, such as model=yolo12n."
        )
    settings = {_setting(plan, layer): layer for layer in layers}
    backend = get_backend(plan.attention.backend)
    reasons = {reason: None for setting in settings for reason in refusal(backend, setting)}
    strict = reasons_against_strict(network, base_setting(plan).device_type) if plan.determinism == "strict" else []
    chosen = resolve_auto(plan, network).backends if backend.name == AUTO_NAME and not strict else {}
    kernels = {
        expected_kernel(get_backend(chosen.get(layer.name, plan.attention.backend)), setting, num_heads=layer.num_heads)
        for setting, layer in settings.items()
    }
    return ArmCheck(
        arm=plan.arm,
        backend=plan.attention.backend,
        reasons=(*reasons, *strict),
        kernel=" and ".join(sorted(kernel for kernel in kernels if kernel)) or None,
        nearest=_nearest(list(settings)) if reasons and not strict else None,
        copy_of=plan.attention.copy_of,
    )


def require_backend(plan: Plan) -> None:
    """Refuse a plan whose backend can't run here.

    Raises:
        BackendUnavailable: with all reasons, and the nearest backend that runs.
    """
    check = check_arm(plan)
    if check.reasons:
        raise BackendUnavailable(check.sentence())


def same_kernel(checks: list[ArmCheck]) -> list[list[str]]:
    """Groups of arms that will run the same kernel; stock and eager differ in layout, so they are no group.

    An A/A copy is meant to be the same.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for check in checks:
        if not check.reasons and check.kernel and check.kernel != "softmax" and check.copy_of is None:
            groups[check.kernel].append(check.arm)
    return [arms for arms in groups.values() if len(arms) > 1]


def _setting(plan: Plan, layer: Layer) -> Setting:
    return replace(base_setting(plan), head_dim_qk=layer.head_dim_qk, head_dim_v=layer.head_dim_v)


def _nearest(settings: list[Setting]) -> str | None:
    """The first fused backend that runs in all these settings, then any other but stock."""
    for name in ("flash", "efficient", "sdpa", *BACKENDS):
        if not any(reason for setting in settings for reason in refusal(BACKENDS[name], setting)):
            return name
    return None


def to_dict(check: ArmCheck) -> dict[str, Any]:
    """For sweep.json."""
    return {
        "arm": check.arm,
        "backend": check.backend,
        "reasons": list(check.reasons),
        "kernel": check.kernel,
        "sentence": check.sentence() if check.reasons else None,
    }
