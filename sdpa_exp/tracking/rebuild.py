"""A record and a event log made from what MLflow shows of a run, where the files themselves are gone.

Only what was sent comes back: no environment beyond its tags, no telemetry, and of the event log the epochs.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import EVENTS_FILE
from sdpa_exp.runs.metrics import METRICS
from sdpa_exp.runs.record import Record, write_record
from sdpa_exp.tracking.points import metric_name

if TYPE_CHECKING:
    from pathlib import Path

    from sdpa_exp.tracking.mlflow_store import MlflowStore

_NOT_CURVES = ("final/", "phase/", "system/", "compare/")
_ENDED = ("FINISHED", "FAILED", "KILLED")


def rebuild_from_metrics(store: MlflowStore, run: Any, folder: Path) -> bool:
    """Write result.json, and events.jsonl if it is missing; False where the store has no final figures of the run."""
    tags, metrics = run.data.tags, run.data.metrics
    names = {metric_name(f"final/{name}"): name for name in METRICS}
    metrics = {names[key]: value for key, value in metrics.items() if key in names}
    seed = run.data.params.get("seed", "")
    if not metrics or run.info.status not in _ENDED or not seed.isdigit() or "arm" not in tags:
        return False
    if not (folder / EVENTS_FILE).exists():
        _write_epochs(store, run, folder)
    digests = {key.removeprefix("digest."): value for key, value in tags.items() if key.startswith("digest.")}
    executed = {
        key.removeprefix("kernels."): dict(map(_kernel, value.split(" + ")))
        for key, value in tags.items()
        if key.startswith("kernels.")
    }
    attestation = {"ok": tags.get("attested") == "yes", "requested": tags.get("attention_requested")}
    message = "result.json is gone; its figures were read back from MLflow, without environment and telemetry."
    write_record(
        folder,
        Record(
            status=run.info.status,
            arm=tags["arm"],
            seed=int(seed),
            group_id=tags.get("group_id", ""),
            name=run.info.run_name or "",
            task=run.data.params.get("task", "train"),
            copy_of=run.data.params.get("attention.copy_of"),
            started_at=_iso(run.info.start_time),
            ended_at=_iso(run.info.end_time),
            reason=tags.get("reason"),
            metrics=metrics,
            phases_s={
                key.removeprefix("phase/").removesuffix("_s"): value
                for key, value in metrics.items()
                if key.startswith("phase/") and key.endswith("_s")
            },
            attestation={**attestation, "executed": executed, "mismatches": []} if executed else None,
            digests=digests,
            warnings=[{"code": "rebuilt-from-mlflow", "message": message}],
        ),
    )
    return True


def _write_epochs(store: MlflowStore, run: Any, folder: Path) -> None:
    epochs: dict[int, dict[str, float]] = defaultdict(dict)
    for name in run.data.metrics:
        if name.startswith(_NOT_CURVES):
            continue
        with store.request(f"read the history of {name}") as client:
            for point in client.get_metric_history(run.info.run_id, name):
                epochs[point.step][name] = point.value
    event_log = EventLog(folder)
    for epoch, values in sorted(epochs.items()):
        times = {name: values.pop(f"epoch/{name}", None) for name in ("train_s", "val_s")}
        event_log.write("epoch", epoch=epoch, epochs=max(epochs), metrics=values, **times)
    event_log.close()


def _kernel(text: str) -> tuple[str, int]:
    """`flash x8` -> ("flash", 8)."""
    name, _, count = text.rpartition(" x")
    return name, int(count)


def _iso(unix_ms: int | None) -> str:
    return "" if unix_ms is None else datetime.fromtimestamp(unix_ms / 1000, tz=UTC).isoformat()
