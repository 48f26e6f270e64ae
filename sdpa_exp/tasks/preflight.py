"""Before training: can the arms run here, which kernel will each run, and do two of them turn out to be the same?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from sdpa_exp.attention.auto import AUTO_NAME
from sdpa_exp.attention.choice import expected_kernel, refusal
from sdpa_exp.attention.registry import CORES, get_core
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import CoreUnavailable, InjectionError
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.determinism import reasons_against_strict
from sdpa_exp.injection.sites import Site, find_sites
from sdpa_exp.tasks.auto import base_setting, resolve_auto


@dataclass(frozen=True, kw_only=True)
class ArmCheck:
    """What preflight found for one arm: reasons against it (empty when it can run), and its kernel."""

    arm: str
    core: str
    reasons: tuple[str, ...]
    kernel: str | None
    nearest: str | None
    copy_of: str | None = None

    def sentence(self) -> str:
        """Why it can't run, and what would."""
        hint = f" Nearest that runs here: attention={self.nearest}." if self.nearest else ""
        return f"attention={self.arm} can't run here: {'; '.join(self.reasons)}.{hint}"


def check_arm(plan: Plan, network: nn.Module | None = None) -> ArmCheck:
    """Check one plan's core against its model, device and precision.

    Raises:
        InjectionError: the model has no attention sites.
    """
    network = build_network(plan.model.architecture) if network is None else network
    sites = find_sites(network)
    if not sites:
        raise InjectionError(
            f"model={plan.model.name} has no attention sites that sdpa_exp knows. "
            "Choose a model with attention, such as model=yolo12n."
        )
    settings = {_setting(plan, site): site for site in sites}
    core = get_core(plan.attention.core)
    reasons = {reason: None for setting in settings for reason in refusal(core, setting)}
    strict = reasons_against_strict(network, base_setting(plan).device_type) if plan.determinism == "strict" else []
    chosen = resolve_auto(plan, network).cores if core.name == AUTO_NAME and not strict else {}
    kernels = {
        expected_kernel(get_core(chosen.get(site.name, plan.attention.core)), setting, num_heads=site.num_heads)
        for setting, site in settings.items()
    }
    return ArmCheck(
        arm=plan.arm,
        core=plan.attention.core,
        reasons=(*reasons, *strict),
        kernel=" and ".join(sorted(kernel for kernel in kernels if kernel)) or None,
        nearest=_nearest(list(settings)) if reasons and not strict else None,
        copy_of=plan.attention.copy_of,
    )


def require_core(plan: Plan) -> None:
    """Refuse a plan whose core can't run here.

    Raises:
        CoreUnavailable: with all reasons, and the nearest core that runs.
    """
    check = check_arm(plan)
    if check.reasons:
        raise CoreUnavailable(check.sentence())


def same_kernel(checks: list[ArmCheck]) -> list[list[str]]:
    """Groups of arms that will run the same kernel; stock and eager differ in layout, so they are no group.

    An A/A copy is meant to be the same.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for check in checks:
        if not check.reasons and check.kernel and check.kernel != "softmax" and check.copy_of is None:
            groups[check.kernel].append(check.arm)
    return [arms for arms in groups.values() if len(arms) > 1]


def _setting(plan: Plan, site: Site) -> Setting:
    return replace(base_setting(plan), head_dim_qk=site.head_dim_qk, head_dim_v=site.head_dim_v)


def _nearest(settings: list[Setting]) -> str | None:
    """The first fused core that runs in all these settings, then any other but stock."""
    for name in ("flash", "efficient", "sdpa", *CORES):
        if not any(reason for setting in settings for reason in refusal(CORES[name], setting)):
            return name
    return None


def to_dict(check: ArmCheck) -> dict[str, Any]:
    """For sweep.json."""
    return {
        "arm": check.arm,
        "core": check.core,
        "reasons": list(check.reasons),
        "kernel": check.kernel,
        "sentence": check.sentence() if check.reasons else None,
    }
