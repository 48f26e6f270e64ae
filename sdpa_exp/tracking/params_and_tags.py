"""A run as MLflow params (what people compare by first, then every setting) and tags (what identifies and explains)."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from typing import Any

from sdpa_exp.config.credentials import redact
from sdpa_exp.config.plan import Plan, to_dict
from sdpa_exp.runs.record import Record
from sdpa_exp.runs.sweep import Sweep

MAX_PARAM_LENGTH = 500
NUM_FIRST_PARAMS = 7  # those that people compare by
# Where a run stands, where it is shown and how it is compared are no settings of the experiment; plan.yaml has them.
_LEFT_OUT = ("job", "tracking", "compare", "name")
MAX_TAG_LENGTH = 5000
KEY_TAG = "sdpa_exp.key"
STRAY_TAG = "sdpa_exp.stray"  # instead of the key, on a run that belongs to no folder
PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"
NAME_TAG = "mlflow.runName"
SUPERSEDED_TAG = "sdpa_exp.attempt"  # on the run of an attempt after which another came: it is not compared
_SOURCE = {"mlflow.source.name": "sdpa_exp", "mlflow.source.type": "LOCAL"}


def plan_params(plan: Plan) -> dict[str, str]:
    """Params in the order they are sent; settings that are not set (null) are left out."""
    content = {key: value for key, value in to_dict(plan).items() if key not in _LEFT_OUT}
    content["task"].pop("_target_", None)
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
            params[key] = redact(str(value))[:MAX_PARAM_LENGTH]
    return params


def clean(tags: Mapping[str, object]) -> dict[str, str]:
    """As MLflow takes them: no null, no credentials, not too long."""
    return {key[:250]: redact(str(value))[:MAX_TAG_LENGTH] for key, value in tags.items() if value not in (None, "")}


def plan_tags(plan: Plan) -> dict[str, str]:
    """What is known before the run starts."""
    return clean(
        {
            **_SOURCE,
            "mlflow.user": _user(),
            "arm": plan.arm,
            "group_id": plan.group_id(),
            "baseline": plan.baseline,
            "command": plan.job.command,
            "job": f"{plan.job.num + 1}/{plan.job.num_jobs}",
            "run_dir": plan.job.run_dir,
            "continued_from": plan.job.continue_from,
        }
    )


def sweep_tags(sweep: Sweep) -> dict[str, str]:
    """What `sweep.json` says of the whole."""
    return clean(
        {
            **_SOURCE,
            "mlflow.user": _user(),
            "arms": ", ".join(sweep.arms),
            "seeds": ", ".join(map(str, sweep.seeds)),
            "baseline": sweep.baseline,
            "command": sweep.command,
            "num_jobs": len(sweep.jobs) or None,
        }
    )


def attestation_tags(summary: Mapping[str, Any]) -> dict[str, str]:
    """Which kernels ran: one compact line, and one tag per stage."""
    executed: Mapping[str, Mapping[str, int]] = summary.get("executed") or {}
    stages = {stage: " + ".join(f"{k} x{n}" for k, n in kernels.items()) for stage, kernels in executed.items()}
    names = dict.fromkeys(kernel for kernels in executed.values() for kernel in kernels)
    is_ok = summary.get("ok")
    return clean(
        {
            "kernels": ", ".join(names),
            "attested": None if is_ok is None else "yes" if is_ok else "NO: not the kernels asked for",
            "attention_requested": summary.get("requested"),
            "mismatches": "; ".join(str(mismatch) for mismatch in summary.get("mismatches") or ()),
            **{f"kernels.{stage}": text for stage, text in stages.items()},
        }
    )


def environment_tags(environment: Mapping[str, Any]) -> dict[str, str]:
    """Every fact of the environment under its dotted key; the commit also where MLflow's own UI shows it."""
    flat = _flatten(environment)
    facts = {key: ", ".join(map(str, value)) if isinstance(value, list | tuple) else value for key, value in flat}
    commit = next((value for key, value in facts.items() if key.split(".")[-1] == "commit"), None)
    return clean({**{f"env.{key}": value for key, value in facts.items()}, "mlflow.source.git.commit": commit})


def record_tags(record: Record) -> dict[str, str]:
    """What is known once the run has ended."""
    changed = "; ".join(f"{key}: {a} -> {b}" for key, (a, b) in record.settings_changed.items())
    return clean(
        {
            **environment_tags(record.environment),
            **attestation_tags(record.attestation or {}),
            "reason": record.reason,
            "error": record.error,
            "settings_changed": changed,
            "attempts": len(record.attempts) + 1 if record.attempts else None,
            "warnings": "; ".join(f"{w.get('code')}: {w.get('message')}" for w in record.warnings),
            **{f"digest.{name}": digest for name, digest in record.digests.items()},
        }
    )


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return None
