"""The MLflow store, one request a method, through MlflowClient: no fluent API, hence no active run and no globals."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from sdpa_exp.config.credentials import redact
from sdpa_exp.errors import StoreAway, TrackingError
from sdpa_exp.tracking import mlflow_environment
from sdpa_exp.tracking.artifacts import Artifact
from sdpa_exp.tracking.local_database import create_database, locked, move_artifacts
from sdpa_exp.tracking.location import Location
from sdpa_exp.tracking.mlflow_answers import brief
from sdpa_exp.tracking.params_and_tags import KEY_TAG, STRAY_TAG
from sdpa_exp.tracking.points import Point

logger = logging.getLogger(__name__)

MAX_METRICS = 1000
MAX_PARAMS = 100
MAX_TAGS = 100
_MAX_NAME = 256  # of an experiment: a column of its database
Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

# What another attempt can't change: MLflow's error codes for a request that is wrong or not allowed.
_REFUSALS = frozenset(
    (
        "INVALID_PARAMETER_VALUE",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "CUSTOMER_UNAUTHORIZED",
        "RESOURCE_DOES_NOT_EXIST",
        "INVALID_STATE",
    )
)


_FORBIDDEN = ("PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED")


class StoreRefuses(TrackingError):  # noqa: N818 - a state of the store
    """A request that will not succeed by repeating it."""


class RunDeleted(StoreRefuses):
    """A run that someone deleted on purpose."""


class MlflowStore:
    """Connects at the first request; raises StoreAway where another attempt may help, else StoreRefuses."""

    def __init__(self, location: Location, *, timeout_s: float) -> None:
        self.location = location
        self._timeout_s = timeout_s
        self._connected: Any = None
        self._experiments: dict[str, str] = {}
        mlflow_environment.prepare(location, timeout_s=timeout_s)

    def experiment_id(self, name: str) -> str:
        """The experiment of this name, created at first use with its artifacts beside a local database."""
        if len(name) > _MAX_NAME and self.location.is_server:
            raise StoreRefuses(
                f"the name of the experiment has {len(name)} characters, and an MLflow server takes {_MAX_NAME}: "
                f"shorten name={name[:20]}..."
            )
        if name not in self._experiments:
            with self.request("open the experiment") as client:
                found = client.get_experiment_by_name(name)
                if found is None:
                    self._experiments[name] = self._create_experiment(client, name)
                elif found.lifecycle_stage == "deleted":
                    raise StoreRefuses(
                        f"the experiment {name!r} was deleted in {self.location.uri}: restore it "
                        f"(mlflow experiments restore -x {found.experiment_id}), or choose another one with name=NAME."
                    )
                else:
                    self._experiments[name] = found.experiment_id
                    self._bring_artifacts_along(found)
        return self._experiments[name]

    def known_experiment_id(self, name: str) -> str | None:
        """The id of an experiment that was used before, without asking the store."""
        return self._experiments.get(name)

    def create_run(self, experiment_id: str, *, name: str, start_unix_ms: int, tags: Mapping[str, str]) -> str:
        """Create a run and return its id."""
        with self.request("create the run") as client:
            run = client.create_run(experiment_id, start_time=start_unix_ms, tags=dict(tags), run_name=name)
            return str(run.info.run_id)

    def find_runs(self, experiment_id: str, key: str) -> list[str]:
        """Ids of the runs that carry our key, the oldest first."""
        with self.request("look for the run") as client:
            found = client.search_runs(
                [experiment_id], f"tags.`{KEY_TAG}` = '{key}'", order_by=["attributes.start_time ASC"]
            )
            return sorted(run.info.run_id for run in found)

    def has_run(self, run_id: str) -> bool:
        """Whether the run is there.

        Raises:
            RunDeleted: someone deleted it in the UI, which is respected.
        """
        from mlflow.exceptions import MlflowException

        with self.request("look for the run") as client:
            try:
                stage = client.get_run(run_id).info.lifecycle_stage
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return False
                raise
        if stage == "deleted":
            raise RunDeleted(
                f"the run {run_id} was deleted in {self.location.uri}: restore it there, or delete tracking.json in "
                f"its folder to send it anew."
            )
        return True

    def remove_stray(self, run_id: str, *, of: str) -> None:
        """Delete a run that a creation with a late answer left behind, or disown it where only others may delete.

        On a server with users that is the experiment's creator and admins. The key goes last: before that the run
        would be found again.
        """
        with self.request("delete a duplicate run") as client:
            try:
                client.delete_run(run_id)
            except Exception as error:
                if getattr(error, "error_code", None) not in _FORBIDDEN:
                    raise
                client.set_tag(run_id, STRAY_TAG, f"of run {of}: its creation was answered too late")
                client.set_terminated(run_id, status="KILLED")
                client.delete_tag(run_id, KEY_TAG)

    def log(
        self,
        run_id: str,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> int:
        """Send metrics, params and tags in as few requests as MLflow's limits allow; returns how many.

        Whoever made the texts, no credentials of an address in them are sent.
        """
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(p.name, p.value, p.time_unix_ms, p.step) for p in points]
        left_params = [Param(key, redact(value)) for key, value in (params or {}).items()]
        left_tags = [RunTag(key, redact(value)) for key, value in (tags or {}).items()]
        num_requests = 0
        while metrics or left_params or left_tags:
            with self.request("log") as client:
                some = {"params": left_params[:MAX_PARAMS], "tags": left_tags[:MAX_TAGS]}
                num_metrics = MAX_METRICS - len(some["params"]) - len(some["tags"])
                client.log_batch(run_id, metrics=metrics[:num_metrics], synchronous=True, **some)
            metrics, left_params, left_tags = metrics[num_metrics:], left_params[MAX_PARAMS:], left_tags[MAX_TAGS:]
            num_requests += 1
        return num_requests

    def log_dataset(self, run_id: str, *, name: str, digest: str, source: str) -> None:
        """Record the data set as an input of the run; the same name and digest count once."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(name=redact(name), digest=digest[:36], source_type="local", source=redact(source))
        with self.request("log the data set") as client:
            client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    def log_artifact(self, run_id: str, artifact: Artifact) -> None:
        """Send a file; credentials in addresses are taken out of text files."""
        text = artifact.redacted()
        with self.request(f"send {artifact.name}") as client:
            if text is None:
                client.log_artifact(run_id, str(artifact.path), artifact.folder or None)
                return
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / artifact.path.name
                path.write_text(text, encoding="utf-8")
                client.log_artifact(run_id, str(path), artifact.folder or None)

    def set_status(self, run_id: str, status: Status, end_unix_ms: int | None = None) -> None:
        """End a run at the time its folder says, or set it running again."""
        with self.request("set the status") as client:
            if status == "RUNNING":
                client.update_run(run_id, status=status)
            else:
                client.set_terminated(run_id, status=status, end_time=end_unix_ms)

    def mark_writable(self, experiment: str, tag: str, value: str) -> None:
        """Write something harmless, to learn whether we may."""
        experiment_id = self.experiment_id(experiment)
        with self.request("write") as client:
            client.set_experiment_tag(experiment_id, tag, value)

    def _create_experiment(self, client: Any, name: str) -> str:
        from mlflow.exceptions import MlflowException

        root = self.location.artifact_root
        try:
            location = None if root is None else (root / _folder_of(name)).as_uri()
            return str(client.create_experiment(name, location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster
                raise
            return str(client.get_experiment_by_name(name).experiment_id)

    def _bring_artifacts_along(self, experiment: Any) -> None:
        """Of a store that was moved or copied with its folder: MLflow keeps absolute places, and would fill the old."""
        database, root = self.location.database, self.location.artifact_root
        old = str(experiment.artifact_location).removesuffix(f"/{_folder_of(experiment.name)}")
        if database is None or root is None or old == root.as_uri() or not old.endswith(f"/{root.name}"):
            return
        num = move_artifacts(database, old, root)
        logger.warning("the MLflow store was moved or copied: files of %d runs are in %s, not in %s", num, root, old)

    def _client(self) -> Any:
        """MLflow's client. Creating an sqlite schema takes seconds, and two at once break it: hence the lock."""
        if self._connected is None:
            from mlflow.tracking import MlflowClient

            database = self.location.database
            if database is None:
                self._connected = MlflowClient(self.location.uri)
            else:
                database.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(database.with_name(f".{database.name}.lock")):
                    if not database.exists() or database.stat().st_size == 0:
                        create_database(database)
                    self._connected = MlflowClient(self.location.uri)
        return self._connected

    @contextmanager
    def request(self, what: str) -> Iterator[Any]:
        """MLflow's client for one request, whose failure is a TrackingError that says what was not done."""
        try:
            client = self._client()
            yield client
        except TrackingError:
            raise
        except Exception as error:  # MLflow, SQLAlchemy, requests and the disk all have their own
            code = getattr(error, "error_code", None)
            database = self.location.database
            if database is not None and "database is locked" in str(error):
                raise StoreAway(f"MLflow did not {what}: {locked(database)}") from error
            if "must be in the 'active' state" in str(error):
                raise RunDeleted(
                    f"MLflow at {self.location.uri} did not {what}: someone deleted the run or its experiment there. "
                    f"Restore it (mlflow experiments restore, mlflow runs restore), then task=sync sends the rest."
                ) from error
            password = self.location.password or os.environ.get("MLFLOW_TRACKING_PASSWORD")
            sentence = redact(f"MLflow at {self.location.uri} {brief(what, str(error))}", password)
            raise (StoreRefuses if code in _REFUSALS else StoreAway)(sentence[:1000]) from error


def _folder_of(experiment: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in experiment)
