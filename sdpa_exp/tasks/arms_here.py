"""Refuses a run whose arms can't run on this machine, whatever the model is, before Ultralytics is imported for it."""

from __future__ import annotations

from dataclasses import replace

from sdpa_exp.attention.backend import AUTO_NAME
from sdpa_exp.attention.precision import DTYPES
from sdpa_exp.attention.registry import check, nearest, refusal
from sdpa_exp.config.plan import Plan
from sdpa_exp.config.task import load_task
from sdpa_exp.errors import BackendUnavailable
from sdpa_exp.tasks.hardware import base_setting

_HEAD_DIM = 32  # that of YOLO12's layers, for what is proposed instead


def require_an_arm(plan: Plan) -> None:
    """Hold the stated requirements of the arms that were named against device, packages and precision.

    What depends on a model's layers is found out later, with the model. A task that does not train has precisions of
    its own, so that one in which an arm runs is enough.

    Args:
        plan: with its hardware resolved.

    Raises:
        BackendUnavailable: none of them can run here, with the reasons of each.
    """
    task, base = load_task(plan), base_setting(plan)
    names = [base.dtype] if task.trains else list(DTYPES.values())
    settings = [replace(base, dtype=dtype, purpose="train" if task.trains else "benchmark") for dtype in names]
    against: dict[str, list[str]] = {}
    for arm in dict.fromkeys(task.named_arms(plan)):
        backend = plan.backend_of(arm)
        found = [[]] if backend == AUTO_NAME else [check(backend, each, confirms=False) for each in settings]
        if not all(found):
            return
        against[arm] = found[0]
    if not against:
        return
    instead = nearest([replace(base, head_dim_qk=_HEAD_DIM, head_dim_v=_HEAD_DIM)])
    if len(against) == 1:
        raise BackendUnavailable(refusal(*next(iter(against.items())), nearest=instead))
    named = "; ".join(f"{arm}: {', '.join(reasons)}" for arm, reasons in against.items())
    raise BackendUnavailable(f"none of the arms {', '.join(against)} can run here: {named}. task=doctor says what can.")
