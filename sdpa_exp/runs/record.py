"""The record of a run: `result.json`, written atomically as the last act of the worker (or by the parent, if it died).

`metrics` holds the names of `metrics.py`; a value of None has its reason in `unmeasured`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sdpa_exp.errors import ComparisonError, DamagedFile
from sdpa_exp.runs.files import RESULT_FILE, write_json_atomic
from sdpa_exp.runs.typed import wrong_fields

SCHEMA_VERSION = 1

Status = Literal["FINISHED", "FAILED", "KILLED"]
GPU_WAITED = "gpu_waited"
"""Code of the warning of a run that waited for a GPU, so that it begins long before it works."""


def waited_for_gpu(run_warnings: Sequence[Mapping[str, str]]) -> bool:
    """Whether a run waited, by the warnings of its record."""
    return any(warning.get("code") == GPU_WAITED for warning in run_warnings)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a run came to.

    Attributes:
        status: FINISHED, FAILED (an error) or KILLED (a signal or Ctrl-C).
        copy_of: the arm that this one repeats from weights moved by one ulp; None for any but an A/A copy.
        reason: a sentence, for anything but FINISHED.
        error: the class name of the error, with `exit_code` from errors.py.
        started_at, ended_at: UTC, ISO 8601.
        headline: what the task found, in a sentence; None where figures say it.
        metrics: name -> value, see metrics.py.
        unmeasured: name -> why the value is None.
        phases_s: wall seconds of setup, caching, warmup, train, validation, final_eval, attestation.
        memory: phase -> {peak_allocated_mib, peak_reserved_mib, peak_rss_mib}.
        attestation: {"ok", "requested", "num_layers", "executed": {stage: {kernel: number of layers}}, "mismatches"}.
        digests: data_set, data_stream, initial_weights, final_weights (SHA-256, shortened).
        environment: versions, device, driver, commit.
        settings_changed: Ultralytics argument -> [planned, executed], where the two differ.
        warnings: [{"code", "message"}].
        telemetry: summary of telemetry.jsonl, added by the parent, as are the metrics of energy and cost.
        attempts: how earlier attempts at this run ended and why it was started again, oldest first; see attempts.py.
        continued_from_epoch: the epoch of last.pt that it went on from (resume_mode=continue); None from scratch.
        prices: {"currency", "price_per_gpu_hour", "price_per_kwh"}, for the metric cost; None where it is None.
    """

    status: Status
    arm: str
    seed: int
    group_id: str
    name: str
    task: str
    started_at: str
    ended_at: str
    copy_of: str | None = None
    reason: str | None = None
    error: str | None = None
    exit_code: int = 0
    headline: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    phases_s: dict[str, float] = field(default_factory=dict)
    memory: dict[str, dict[str, float | None]] = field(default_factory=dict)
    attestation: dict[str, Any] | None = None
    digests: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    settings_changed: dict[str, list[Any]] = field(default_factory=dict)
    warnings: list[dict[str, str]] = field(default_factory=list)
    telemetry: dict[str, Any] | None = None
    prices: dict[str, Any] | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    continued_from_epoch: int | None = None


def write_record(run_dir: Path, record: Record) -> Path:
    """Write `result.json` atomically and return its path."""
    path = run_dir / RESULT_FILE
    write_json_atomic(path, {"schema_version": SCHEMA_VERSION, **asdict(record)})
    return path


def read_record(run_dir: Path) -> Record:
    """Read `result.json` of a run folder.

    Raises:
        ComparisonError: the file is missing, not JSON, of another schema, or its values are of other types.
    """
    path = run_dir / RESULT_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ComparisonError(f"{path} is missing: the run has not ended, or this is not a run folder.") from error
    except ValueError as error:
        raise ComparisonError(f"{path} is not JSON: {error}.") from error
    if not isinstance(content, dict) or content.pop("schema_version", None) != SCHEMA_VERSION:
        raise ComparisonError(f"{path} has another schema version than {SCHEMA_VERSION}.")
    try:
        record = Record(**content)
    except TypeError as error:
        raise ComparisonError(f"{path} does not have the keys of a record: {error}.") from error
    if wrong := wrong_fields(record):
        raise DamagedFile(f"{path} is damaged: {', '.join(wrong)} can't be read. Leave the run out, or repeat it.")
    return record


def read_record_if_any(run_dir: Path) -> Record | None:
    """The record of a run folder; None where there is none that can be read."""
    try:
        return read_record(run_dir)
    except ComparisonError:
        return None
