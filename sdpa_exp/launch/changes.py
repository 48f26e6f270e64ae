"""What is not as it was when a finished run was made: settings, code, data set, libraries, machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from sdpa_exp.config.plan import Plan, flatten
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.environment import software_and_host
from sdpa_exp.runs.record import Record

Changes = dict[str, tuple[Any, Any]]
"""What changed -> what it was, and what it is now."""

_ENVIRONMENT = {
    "git.commit": "code commit",
    "code": "files of sdpa_exp",
    "python": "Python",
    "cpu": "processor",
    "gpu": "GPU",
    "driver": "GPU driver",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
}
_OPEN = ("auto", None)
_PRICES = ("price_per_gpu_hour", "price_per_kwh", "currency")


def changed_settings(before: Plan, now: Plan) -> Changes:
    """The settings of a run, and of what is asked of it, that are not the same; labels, places and prices don't count.

    What the plan leaves to the machine counts as what it was resolved to before.
    """
    old, new = _settings(before), _settings(with_hardware_of(now, before))
    return {key: (old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)}


def with_hardware_of(plan: Plan, before: Plan) -> Plan:
    """The plan with what it leaves to the machine as it was resolved before."""
    asked, resolved = dataclasses.asdict(plan.hardware), dataclasses.asdict(before.hardware)
    filled = {key: resolved[key] if value in _OPEN and key not in _PRICES else value for key, value in asked.items()}
    return dataclasses.replace(plan, hardware=dataclasses.replace(plan.hardware, **filled))


def changed_surroundings(record: Record, environment: Mapping[str, Any], data_set: str | None) -> Changes:
    """Code, libraries, machine and data set of a record that are not the present ones; what is unknown is no change.

    Args:
        record: of a finished run.
        environment: the present one, see runs/environment.py.
        data_set: the present digest; None where it was not looked at.
    """
    old, new = flatten(record.environment), flatten(dict(environment))
    names = {key: _ENVIRONMENT.get(key) or _library(key) for key in old}
    changes: Changes = {name: (old[key], new.get(key)) for key, name in names.items() if name is not None}
    changes["data set"] = (record.digests.get("data_set"), data_set)
    changes = {name: pair for name, pair in changes.items() if None not in pair and pair[0] != pair[1]}
    if _ENVIRONMENT["git.commit"] in changes:
        changes.pop(_ENVIRONMENT["code"], None)  # the same once more
    return changes


def data_set_now(preflight: Mapping[str, Any], plan: Plan) -> str | None:
    """The digest of a plan's data set, as preflight found it; None where it did not look."""
    wanted = [dataclasses.asdict(plan.dataset), plan.train.split]
    return next((each["digest"] for each in preflight.get("data_sets", []) if each["asked"] == wanted), None)


def environment_now(preflight: Mapping[str, Any], *, is_here: bool) -> dict[str, Any]:
    """The present environment, as preflight found it; where the jobs run elsewhere, this processor says nothing."""
    return preflight.get("environment") or {**software_and_host(), **({} if is_here else {"cpu": None})}


def require_word(all_changes: Sequence[Changes], changed: str | None) -> None:
    """Refuse to go on where finished runs were made with something else, until the user says what becomes of them.

    Args:
        all_changes: of each such run.
        changed: `resume_changed`.

    Raises:
        ConfigError: nobody said so.
    """
    if all_changes and changed is None:
        raise ConfigError(
            f"{len(all_changes)} finished runs were made with something else than now: {'; '.join(named(all_changes))}."
            " Expected the same, or a word on what becomes of them; nothing was touched. resume_changed=keep leaves "
            "them as they are, resume_changed=repeat runs them again."
        )


def named(all_changes: Sequence[Changes]) -> list[str]:
    """`train.epochs 2 -> 3 (4 runs)`: each change once, with the number of runs that it concerns."""
    counts: dict[str, int] = {}
    for changes in all_changes:
        for name, (old, new) in changes.items():
            text = f"{name} {_short(old)} -> {_short(new)}"
            counts[text] = counts.get(text, 0) + 1
    return [f"{text} ({count} run{'s' if count > 1 else ''})" for text, count in counts.items()]


def _settings(plan: Plan) -> dict[str, Any]:
    primary = {name: dataclasses.asdict(each) for name, each in plan.compare.primary.items()}
    return flatten(
        {
            **plan.group(),
            "attention": dataclasses.asdict(plan.attention),
            "seed": plan.seed,
            "compare": {"alpha": plan.compare.alpha, "primary": primary},
        }
    )


def _library(key: str) -> str | None:
    return f"library {key.removeprefix('versions.')}" if key.startswith("versions.") else None


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) in (40, 64) and text.isalnum() else text
