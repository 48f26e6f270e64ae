"""A plan as MLflow params: what people compare by first and in short, then every setting under its dotted key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sdpa_exp.config.plan import to_dict
from sdpa_exp.tracking.location import redact

if TYPE_CHECKING:
    from sdpa_exp.config.plan import Plan

MAX_VALUE_LENGTH = 500
# Where a run stands and where it is shown are no settings of the experiment.
_LEFT_OUT = ("job", "tracking", "name")


def plan_params(plan: Plan) -> dict[str, str]:
    """Params in the order they are sent; settings that are not set (null) are left out."""
    content = {key: value for key, value in to_dict(plan).items() if key not in _LEFT_OUT}
    params = {
        "attention": plan.arm,
        "seed": str(plan.seed),
        "model": plan.model.name,
        "dataset": plan.dataset.name,
        "hardware": plan.hardware.name,
        "train": plan.train.name,
        "task": plan.task.name,
    }
    for key, value in _flatten(content):
        if key.removesuffix(".name") not in params and value is not None:
            params[key] = redact(str(value))[:MAX_VALUE_LENGTH]
    return params


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
