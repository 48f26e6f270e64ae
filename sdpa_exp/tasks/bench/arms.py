"""Which arms a case has: those asked for, or all that run there, each refusal with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.attention.registry import BACKENDS, check, get_backend
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.config.attentions import names_attention
from sdpa_exp.config.plan import Plan
from sdpa_exp.errors import BackendUnavailable
from sdpa_exp.tasks.bench.case import Arms
from sdpa_exp.tasks.hardware import base_setting

FLOOR = "identity"
NO_STOCK = "at the op level there is no stock: it is a whole module, and eager is the same mathematics"
NO_FLOOR = "at the op level out = v is no computation at all"
COMPILES = "it compiles for each shape, for up to a minute: name it in {key} to have it"
AS_STOCK = "it is stock's own code and one more copy in backward: name it in {key} to have it"


def arms_of(plan: Plan, names: list[str] | None, *, key: str) -> tuple[Arms, dict[str, str]]:
    """The arms by label, and those that are left out everywhere with the reason.

    The arms are those named, or all there are; what `attention=` names on the command line is one of them.

    Args:
        plan: of the task.
        names: what the task's option says; None for all there are.
        key: that option, for the reasons.
    """
    left_out = {}
    if names is None:
        left_out = {"flex": COMPILES.format(key=key), "stock_fixed": AS_STOCK.format(key=key)}
        names = [name for name in (*BACKENDS, *plan.attentions) if name not in {AUTO_NAME, *left_out}]
    labels = [_label(name) for name in names]
    arms = {
        label if labels.count(label) == 1 else name: plan.backend_of(name)
        for name, label in zip(names, labels, strict=True)
    }
    if names_attention(plan.job.overrides):
        arms[plan.arm] = plan.attention.backend
        left_out.pop(plan.arm, None)
    return arms, left_out


def _label(name: str) -> str:
    """An option as it is, code of one's own by the name it gives itself; what can't be imported is refused later."""
    try:
        return get_backend(name).name if ":" in name else name
    except BackendUnavailable:
        return name.rpartition(":")[2]


def bench_setting(plan: Plan, precision: str, shape: Sequence[int], *, needs_grad: bool) -> Setting:
    """What backends are asked to do in a case with q, k, v of this shape: B, H, N, D, and v's own head_dim."""
    _, num_heads, num_tokens, head_dim_qk, head_dim_v = shape
    return replace(
        base_setting(plan),
        dtype=DTYPES[precision],
        needs_grad=needs_grad,
        head_dim_qk=head_dim_qk,
        head_dim_v=head_dim_v,
        num_heads=num_heads,
        num_tokens=num_tokens,
        compiled=False,
        purpose="benchmark",
    )


def refusals(arms: Arms, setting: Setting, *, level: str) -> dict[str, str]:
    """Label -> why the arm can't run in this setting, for those that can't."""
    refused = {}
    for label, name in arms.items():
        if level == "op" and (name == FLOOR or get_backend(name).function is None):
            refused[label] = NO_FLOOR if name == FLOOR else NO_STOCK
            continue
        if reasons := check(name, setting):
            refused[label] = "; ".join(reasons)
    return refused


def baseline_of(asked: str | None, present: list[str], *, level: str) -> str | None:
    """The arm that ratios refer to: the one asked for, else stock, or eager where stock does not exist.

    None where none of these is present, or the one asked for is not.
    """
    if asked is not None and not (level == "op" and asked in ("stock", "stock_fixed")):
        return asked if asked in present else None
    preferred = ("eager",) if level == "op" else ("stock", "eager")
    return next((name for name in (*preferred, "sdpa", *present) if name in present), None)


def check_baseline(plan: Plan, arms: Arms) -> None:
    """Refuse a baseline that is none of the arms.

    Raises:
        BackendUnavailable: it is not among them.
    """
    if plan.baseline is not None and plan.baseline not in arms:
        raise BackendUnavailable(
            f"baseline={plan.baseline} is not among the arms of this benchmark: expected one of {', '.join(arms)}. "
            f"Add it to bench.arms, or leave baseline out."
        )
