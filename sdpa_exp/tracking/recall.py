"""Runs that an MLflow store knows, as run folders: the ones on this disk, else copies of what the store kept.

Where the files themselves are gone, a record and an event log are made from the metrics that MLflow shows: only what
was sent comes back, no environment beyond its tags, no telemetry, and of the event log the epochs.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sdpa_exp.config.mlflow_source import MLFLOW_SOURCE
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import ATTESTATION_FILE, EVENTS_FILE, PLAN_FILE, RESULT_FILE, TRACKING_FILE
from sdpa_exp.runs.metrics import METRICS
from sdpa_exp.runs.record import Record, write_record
from sdpa_exp.tracking.location import locate
from sdpa_exp.tracking.mlflow_check import check_database
from sdpa_exp.tracking.mlflow_store import MlflowStore
from sdpa_exp.tracking.params_and_tags import KEY_TAG, PARENT_TAG, SUPERSEDED_TAG
from sdpa_exp.tracking.points import metric_name

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_FILES = (PLAN_FILE, RESULT_FILE, EVENTS_FILE, ATTESTATION_FILE)
_PAGE = 500
_RUN_DIR_TAG = "run_dir"
_NOT_CURVES = ("final/", "phase/", "system/", "compare/")
_ENDED = ("FINISHED", "FAILED", "KILLED")


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """Run folders, the oldest run first, and the baseline that their sweep declared, if one did."""

    folders: tuple[Path, ...]
    baseline: str | None


def recall(config: TrackingConfig, name: str, into: Path) -> Recalled:
    """The runs of an experiment (by name), of a sweep (by the id of its parent run), or one run (by its id).

    Args:
        config: which store.
        name: without the `mlflow:`.
        into: folder for copies of runs whose own folder is not on this disk.

    Raises:
        TrackingError: no store, no such experiment or run, no run of ours in it, or a run of which nothing is left.
    """
    store = _open(config)
    runs, parent = _find(store, name)
    if not runs:
        raise TrackingError(
            f"{MLFLOW_SOURCE}{name} holds no trainings of sdpa_exp in {store.location.uri}: expected an experiment "
            f"that our sweeps are in, or the id of a sweep's parent run. Name run folders instead."
        )
    return Recalled(
        folders=tuple(_folder_of(store, run, into) for run in runs),
        baseline=None if parent is None else parent.data.tags.get("baseline"),
    )


def _open(config: TrackingConfig) -> MlflowStore:
    if config.kind == "none":
        raise TrackingError(
            f"compare.runs names a run as {MLFLOW_SOURCE}..., and tracking=none has no store to look in. "
            f"Use tracking=local, or tracking=server."
        )
    location = locate(config.uri, environment=os.environ, cwd=Path.cwd())
    if location.database is not None:
        if not location.database.exists():
            raise TrackingError(
                f"there is no MLflow store {location.database}: expected the one that the runs were sent to. "
                f"Give it with tracking.uri=sqlite:///FILE or tracking.uri=http://HOST:PORT."
            )
        check_database(location.database, timeout_s=config.timeout_s)
    return MlflowStore(location, timeout_s=config.timeout_s)


def _find(store: MlflowStore, name: str) -> tuple[list[Any], Any]:
    """The runs, and the parent run where the name is that of one."""
    if _RUN_ID.fullmatch(name):
        run = _run(store, name)
        children = list(_search(store, run.info.experiment_id, f"tags.`{PARENT_TAG}` = '{name}'"))
        return (children, run) if children else ([run] if _is_ours(run) else [], None)
    with store.request("look for the experiment") as client:
        experiment = client.get_experiment_by_name(name)
        known = [] if experiment else [found.name for found in client.search_experiments(max_results=20)]
    if experiment is None:
        raise TrackingError(
            f"{MLFLOW_SOURCE}{name} is no experiment in {store.location.uri}: expected one of {', '.join(known)}, or "
            f"the id of a run (32 digits and letters). tracking.uri=... names another store."
        )
    return list(_search(store, experiment.experiment_id, "")), None


def _run(store: MlflowStore, run_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    with store.request("look for the run") as client:
        try:
            return client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise TrackingError(
                f"{MLFLOW_SOURCE}{run_id} is no run in {store.location.uri}: expected the id of a run or of a sweep's "
                f"parent. tracking.uri=... names another store."
            ) from error


def _search(store: MlflowStore, experiment_id: str, condition: str) -> Iterator[Any]:
    """Trainings that we sent, the oldest first."""
    token = None
    while True:
        with store.request("list the runs") as client:
            page = client.search_runs(
                [experiment_id], condition, max_results=_PAGE, order_by=["attributes.start_time ASC"], page_token=token
            )
        yield from (run for run in page if _is_ours(run))
        token = page.token
        if not token:
            return


def _is_ours(run: Any) -> bool:
    """Whether sdpa_exp trained it to its end; verify, doctor and the like share the experiment and compare no arms."""
    is_training = run.data.params.get("task", "train") == "train"
    tags = run.data.tags
    return KEY_TAG in tags and _RUN_DIR_TAG in tags and SUPERSEDED_TAG not in tags and is_training


def _folder_of(store: MlflowStore, run: Any, into: Path) -> Path:
    """The run's own folder if it is on this disk and still holds this run, else a copy made from the store."""
    own = Path(run.data.tags[_RUN_DIR_TAG])
    if _key(own) == run.data.tags[KEY_TAG]:
        return own
    copy = into / f"{run.info.run_name or 'run'}_{run.info.run_id[:8]}".replace(" ", "_").replace("/", "_")
    copy.mkdir(parents=True, exist_ok=True)
    with store.request(f"list the files of run {run.info.run_id}") as client:
        kept = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        for name in _FILES:
            if name in kept:
                client.download_artifacts(run.info.run_id, name, str(copy))
    if RESULT_FILE not in kept:
        is_rebuilt = _rebuild_from_metrics(store, run, copy)
        if not is_rebuilt and PLAN_FILE not in kept:
            raise TrackingError(
                f"nothing is left of run {run.info.run_id} ({run.info.run_name}) but its name: its folder {own} is not "
                f"here, and {store.location.uri} has neither its files nor its final figures. Leave it out: name the "
                f"other runs by id, or their folders."
            )
    return copy


def _key(folder: Path) -> str | None:
    """What identifies the run that a folder holds; None where there is none."""
    try:
        content = json.loads((folder / TRACKING_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("key") if isinstance(content, dict) else None


def _rebuild_from_metrics(store: MlflowStore, run: Any, folder: Path) -> bool:
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
