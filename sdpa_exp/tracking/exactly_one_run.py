"""Exactly one MLflow run for a folder, whatever was killed, moved or answered late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sdpa_exp.tracking.params_and_tags import KEY_TAG
from sdpa_exp.tracking.tracking_file import Progress, ProgressFile

if TYPE_CHECKING:
    from sdpa_exp.tracking.mlflow_store import MlflowStore


def ensure_run(
    store: MlflowStore,
    *,
    experiment_id: str,
    name: str,
    key: str,
    progress: Progress,
    file: ProgressFile,
    start_unix_ms: int,
    tags: Mapping[str, str],
) -> int:
    """Find the folder's run in the store, or create it; `progress` then has its id. Returns the number of creations.

    A run that is recorded but no longer in the store (its database was deleted) makes everything start anew.
    """
    if progress.run_id is not None:
        if store.has_run(progress.run_id):
            _remove_strays(store, experiment_id, key, progress, file)
            return 0
        _forget(progress)
    found = store.find_runs(experiment_id, key)
    if found:
        progress.run_id = found[0]
        progress.page = store.location.run_page(experiment_id, found[0])
        file.write(progress)
        _remove_strays(store, experiment_id, key, progress, file)
        return 0
    progress.num_creations += 1
    file.write(progress)  # before the request: its answer may never come
    progress.run_id = store.create_run(
        experiment_id, name=name, start_unix_ms=start_unix_ms, tags={**tags, KEY_TAG: key}
    )
    progress.page = store.location.run_page(experiment_id, progress.run_id)
    file.write(progress)
    return 1


def _remove_strays(store: MlflowStore, experiment_id: str, key: str, progress: Progress, file: ProgressFile) -> None:
    """As often as it takes: a creation that timed out may still land later than this."""
    if progress.num_creations > 1 and progress.run_id is not None:
        strays = [run_id for run_id in store.find_runs(experiment_id, key) if run_id != progress.run_id]
        for run_id in strays:
            store.remove_stray(run_id, of=progress.run_id)
            progress.num_creations -= 1
            file.write(progress)


def _forget(progress: Progress) -> None:
    progress.run_id, progress.page, progress.has_params = None, None, False
    progress.events_offset = progress.samples_offset = progress.num_samples = progress.num_creations = 0
    progress.artifacts, progress.is_superseded = {}, False
    progress.model = progress.result = progress.status = None
