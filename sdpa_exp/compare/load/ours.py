"""Reads run folders and sweep folders that sdpa_exp wrote. A run without a result is a missing run, with its reason."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sdpa_exp.accuracy.summary import read_accuracy
from sdpa_exp.compare.load.curves import curves_from_epochs
from sdpa_exp.compare.load.results_csv import read_results_csv
from sdpa_exp.compare.load.run import ENERGY, UNKNOWN_GROUP, Curves, Run, is_number
from sdpa_exp.config.plan import Plan, read_plan
from sdpa_exp.errors import ComparisonError, ConfigError
from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import EVENTS_FILE, PLAN_FILE, RESULT_FILE, SWEEP_FILE, results_csv
from sdpa_exp.runs.record import read_record
from sdpa_exp.runs.sweep import read_sweep as read_sweep_file

_YamlLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is there


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What sweep.json says, and its runs in the order of the jobs."""

    folder: Path
    name: str
    command: str = ""
    arms: tuple[str, ...] = ()
    baseline: str | None = None
    preflight: dict[str, Any] = field(default_factory=dict)
    extensions: tuple[dict[str, Any], ...] = ()
    runs: tuple[Run, ...] = ()


def read_sweep(sweep_dir: Path) -> Sweep:
    """Read a sweep folder with all its runs; runs that can't be read come as missing ones.

    Raises:
        ComparisonError: there is no readable sweep.json of this schema version.
    """
    sweep = read_sweep_file(sweep_dir)
    if not sweep.jobs:
        raise ComparisonError(f"{sweep_dir / SWEEP_FILE} names no jobs: the sweep ended before it began.")
    refused = _refusals(sweep.preflight)
    runs = [
        _with_refusal(read_run(job.run_dir, arm=job.arm, seed=job.seed, num=job.num, group_id=job.group_id), refused)
        for job in sweep.jobs
        if not job.is_excluded
    ]
    return Sweep(
        folder=sweep_dir,
        name=sweep.name,
        command=sweep.command,
        arms=sweep.arms,
        baseline=sweep.baseline,
        preflight=sweep.preflight,
        extensions=sweep.extensions,
        runs=tuple(dataclasses.replace(run, copy_of=run.copy_of or sweep.copies.get(run.arm)) for run in runs),
    )


def read_run(
    folder: Path,
    *,
    arm: str | None = None,
    seed: int | None = None,
    num: int | None = None,
    group_id: str | None = None,
) -> Run:
    """Read one run folder. The keywords are what the sweep planned, for a folder that can't say."""
    try:
        record = read_record(folder)
    except ComparisonError as error:
        return _missing(folder, str(error), arm=arm, seed=seed, num=num, group_id=group_id)
    notes: list[tuple[str, str]] = []
    finite = {k: float(v) for k, v in record.metrics.items() if v is not None and is_number(v)}
    # Records of older versions have the energy in the telemetry's summary alone.
    energy_j = (((record.telemetry or {}).get("phases") or {}).get("train") or {}).get("energy_j")
    if energy_j is not None and ENERGY not in record.metrics:
        finite.setdefault(ENERGY, float(energy_j))
    broken = [k for k, v in record.metrics.items() if v is not None and not is_number(v)]
    if broken:
        notes.append(("not-finite", f"{', '.join(broken)} is not a finite number, and left out."))
    curves, curve_notes = _curves(folder)
    return Run(
        arm=record.arm,
        seed=record.seed,
        folder=folder,
        status=record.status,
        copy_of=record.copy_of,
        group_id=record.group_id or UNKNOWN_GROUP,
        num=num,
        reason=record.reason,
        started_at=record.started_at,
        ended_at=record.ended_at,
        metrics=finite,
        unmeasured={**record.unmeasured, **dict.fromkeys(broken, "not a finite number")},
        curves=curves,
        phases_s=record.phases_s,
        attestation=record.attestation,
        digests={name: digest for name, digest in record.digests.items() if digest},
        environment=record.environment,
        settings_changed=record.settings_changed,
        warnings=record.warnings,
        telemetry=record.telemetry,
        prices=record.prices,
        attempts=tuple(record.attempts),
        continued_from_epoch=record.continued_from_epoch,
        accuracy=read_accuracy(folder),
        notes=(*notes, *curve_notes),
    )


def read_plan_if_any(folder: Path) -> Plan | None:
    """The plan of a run folder, or None where it is missing or of another version."""
    try:
        return read_plan(folder)
    except ConfigError:
        return None


def _refusals(preflight: dict[str, Any]) -> dict[str, str]:
    """Arm -> why the check before the sweep said that it can't run."""
    arms = [arm for arm in preflight.get("arms") or [] if isinstance(arm, dict) and arm.get("reasons")]
    return {
        str(arm.get("arm")): str(arm.get("sentence") or "; ".join(map(str, arm["reasons"]))) for arm in arms
    }  # fmt: skip


def _with_refusal(run: Run, refused: dict[str, str]) -> Run:
    """A run that was never started, with the reason found before the sweep."""
    if run.status == "MISSING" and run.arm in refused and not run.folder.exists():
        return dataclasses.replace(run, reason=refused[run.arm])
    return run


def _missing(
    folder: Path, why: str, *, arm: str | None, seed: int | None, num: int | None, group_id: str | None
) -> Run:
    """A run without a readable result: what the plan and the event log still say."""
    group_id, copy_of = group_id or UNKNOWN_GROUP, None
    try:
        plan = yaml.load((folder / PLAN_FILE).read_text(encoding="utf-8"), Loader=_YamlLoader)  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError):
        plan = None
    if isinstance(plan, dict):
        group_id = plan.get("group_id") or group_id
        seed = plan.get("seed") if seed is None else seed
        attention = plan.get("attention") or {}
        arm, copy_of = arm or attention.get("name"), attention.get("copy_of")
    if not folder.exists():
        why = "the run was never started: its folder does not exist."
    elif not (folder / RESULT_FILE).exists():
        why = "no result.json: the run did not end" + _last_sign_of_life(folder)
    return Run(
        arm=arm or folder.name, seed=seed, folder=folder, status="MISSING", copy_of=copy_of, group_id=group_id, num=num,
        reason=why,
    )  # fmt: skip


def _last_sign_of_life(folder: Path) -> str:
    """How far the event log got, as the end of a sentence."""
    try:
        events = list(read_events(folder))
    except ValueError:
        return f", and its {EVENTS_FILE} is damaged."
    epochs = [event for event in events if event.get("event") == "epoch"]
    if epochs:
        return f"; it got to epoch {epochs[-1].get('epoch')} of {epochs[-1].get('epochs')}."
    return "; its event log is empty." if not events else "; it did not finish an epoch."


def _curves(folder: Path) -> tuple[Curves | None, list[tuple[str, str]]]:
    """Curves from the event log (full floats), else from Ultralytics' results.csv (six digits)."""
    try:
        curves = curves_from_epochs(e for e in read_events(folder) if e.get("event") == "epoch")
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        curves = None
        note = [("event_log", f"{EVENTS_FILE} is damaged ({error}); curves come from results.csv.")]
    else:
        note = []
    path = results_csv(folder)
    if curves is not None or not path.is_file():
        return curves, note
    try:
        curves, problems = read_results_csv(path)
    except ComparisonError as error:
        return None, [*note, ("results-csv", str(error))]
    return curves, [*note, *(("results-csv", problem) for problem in problems)]
