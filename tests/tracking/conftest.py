"""A real MLflow store for each test: the schema takes seconds to make, so it is made once and copied."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from mlflow.tracking import MlflowClient

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.tracking.tracker import Tracker, make_tracker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """MLflow is steered by environment variables of the process; each test leaves them as they were."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sqlite file with MLflow's tables, with an experiment of another kind in it."""
    database = tmp_path_factory.mktemp("schema") / "mlflow.db"
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    MlflowClient(f"sqlite:///{database}")
    return database


@pytest.fixture
def database(schema: Path, tmp_path: Path) -> Path:
    path = tmp_path / "store" / "mlflow.db"
    path.parent.mkdir()
    shutil.copy(schema, path)
    return path


@pytest.fixture
def config(database: Path) -> TrackingConfig:
    return TrackingConfig(name="local", kind="mlflow", uri=f"sqlite:///{database}", timeout_s=20.0)


@pytest.fixture
def tracker(config: TrackingConfig) -> Iterator[Tracker]:
    made = make_tracker(config, experiment="handmade")
    yield made
    made.close()


@pytest.fixture
def client(config: TrackingConfig) -> Any:
    """MLflow's own client, to look at what is really in the store."""
    return MlflowClient(config.uri)


def only_run(client: Any, **tags: str) -> Any:
    """The one run of the experiment with these tags."""
    found = [run for run in all_runs(client) if all(run.data.tags.get(key) == value for key, value in tags.items())]
    assert len(found) == 1, [run.data.tags for run in found]
    return client.get_run(found[0].info.run_id)


def all_runs(client: Any) -> list[Any]:
    experiment = client.get_experiment_by_name("handmade")
    return [] if experiment is None else list(client.search_runs([experiment.experiment_id]))
