"""`model=timm:NAME`: a classifier of timm for the tasks that train nothing; checked without importing timm."""

from __future__ import annotations

import functools
import importlib.util
import re
from difflib import get_close_matches
from pathlib import Path

from sdpa_exp.config.refusing import refuse
from sdpa_exp.errors import ConfigError

PREFIX = "timm:"
"""Of `model.architecture`; what follows is a name of timm.list_models(), with or without the tag of its weights."""
_REGISTERED = re.compile(r"^@register_model\ndef (\w+)\(", re.M)


def is_timm(architecture: str) -> bool:
    """Whether a model is one of timm's."""
    return architecture.startswith(PREFIX)


def without_colon(overrides: list[str]) -> list[str]:
    """`model=timm:NAME` as the group's option and its key; several names are a sweep of the key.

    Raises:
        ConfigError: models of timm and others in one list.
    """
    written = []
    for override in overrides:
        key, _, value = override.partition("=")
        models = value.split(",")
        if key != "model" or not any(map(is_timm, models)):
            written.append(override)
            continue
        if others := [model for model in models if not is_timm(model)]:
            raise ConfigError(
                f"{override} mixes models of timm with {', '.join(others)}: expected one kind. Run two sweeps."
            )
        written += ["model=timm", f"model.architecture={value}"]
    return written


def check_timm(architecture: str, *, task: str, is_taken: bool, weights: str | None) -> None:
    """Refuse a model of timm that is not there, a task that can't take it, and weights.

    Raises:
        ConfigError: with what works, or the nearest names.
    """
    if not is_taken:
        refuse(
            "model.architecture",
            architecture,
            f"a model of Ultralytics with task={task}, since models of timm are timed and verified, and not trained",
            "Set task=bench or task=verify, or choose a model such as model=yolo12n-cls.",
        )
    if weights is not None:
        refuse(
            "model.weights or verify.weights", weights, f"none with {PREFIX}NAME, which starts fresh", "Take it out."
        )
    name, names = architecture.removeprefix(PREFIX).partition(".")[0], _names()
    if names is None:
        raise ConfigError(
            f"model.architecture={architecture} needs timm, which is not installed: expected the extra timm. "
            "Install it with pip install 'sdpa-exp[timm]'."
        )
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.6)
        wanted = f"perhaps {' or '.join(near)}" if near else "a name that timm.list_models() knows"
        refuse(
            "model.architecture",
            architecture,
            wanted,
            f"Set model={PREFIX}{near[0] if near else 'vit_tiny_patch16_224'}.",
        )


@functools.cache
def _names() -> list[str] | None:
    """The models that timm registers, read in its files; None where it is not installed."""
    found = importlib.util.find_spec("timm")
    places = list(found.submodule_search_locations or []) if found else []
    if not places:
        return None
    files = sorted(Path(places[0]).glob("models/*.py"))
    return [name for file in files for name in _REGISTERED.findall(file.read_text(encoding="utf-8"))]
