"""A plan as MLflow params: what people compare by first and in short, then every setting under its dotted key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sdpa_exp.config.plan import to_dict
from sdpa_exp.tracking.location import redact

if TYPE_CHECKING:
    from sdpa_exp.config.plan import Plan

MAX_VALUE_LENGTH = 500
# Where a run stands, where it is shown and how it is compared are no settings of the experiment; plan.yaml has them.
_LEFT_OUT = ("job", "tracking", "compare", "name")


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
        is_repeated = key.removesuffix(".name") in params or (key == "attention.backend" and value == plan.arm)
        if value is not None and not is_repeated:
            params[key] = redact(str(value))[:MAX_VALUE_LENGTH]
    return params


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
